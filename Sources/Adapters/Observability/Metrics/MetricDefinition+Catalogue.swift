/// All metrics of the service. HTTP metrics have the names of OpenTelemetry's semantic conventions, and process metrics those
/// of Prometheus' client libraries.
extension MetricDefinition {
    /// Histogram bounds, from cache hits (microseconds) to lookups that wait for Zoom (seconds).
    private static let seconds = [
        0.000_1, 0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    // MARK: HTTP server

    package static let serverRequestDuration = MetricDefinition(
        "http_server_request_duration_seconds", .histogram(seconds),
        "Duration of requests, from the header fields to the end of the response; for streams, to the end of "
            + "the stream.")
    package static let serverActiveRequests = MetricDefinition(
        "http_server_active_requests", .gauge,
        "Number of requests in flight; requests that are answered immediately, such as cache hits, are not counted.")
    package static let serverConnections = MetricDefinition(
        "http_server_connections", .gauge, "Number of open connections, by protocol.")
    package static let serverConnectionsOpened = MetricDefinition(
        "http_server_connections_opened_total", .counter, "Number of accepted connections, by protocol.")
    package static let serverBufferedBytes = MetricDefinition(
        "http_server_buffered_bytes", .gauge, "Number of bytes buffered on all connections, received and to be sent.")
    package static let serverDefences = MetricDefinition(
        "http_server_defences_total", .counter,
        "Number of connections closed or requests refused by a defence against overload or attacks, by reason.")

    // MARK: Zoom

    package static let clientRequestDuration = MetricDefinition(
        "http_client_request_duration_seconds", .histogram(seconds),
        "Duration of requests to Zoom, from sending the request to the end of the response.")
    package static let zoomCalls = MetricDefinition(
        "zoom_calls_total", .counter, "Number of calls to Zoom, by operation and outcome.")
    package static let zoomBudgetLimit = MetricDefinition(
        "zoom_budget_limit_per_second", .gauge,
        "Number of requests a second that this replica may send, or all replicas that share the limit, by rate-limit label."
    )
    package static let zoomBudgetSent = MetricDefinition(
        "zoom_budget_sent_total", .counter, "Number of requests that the rate limiter admitted, by rate-limit label.")
    package static let zoomBudgetRefused = MetricDefinition(
        "zoom_budget_refused_total", .counter,
        "Number of requests that the rate limiter refused: the wait would have been too long (busy), or the "
            + "daily quota is exhausted (day-over).")
    package static let zoomBudgetOwnShare = MetricDefinition(
        "zoom_budget_own_share", .gauge,
        "1 while this replica uses its own share of a shared rate limit, since Redis does not answer.")
    package static let zoomBudgetWaiting = MetricDefinition(
        "zoom_budget_waiting", .gauge,
        "Number of requests that wait for a permit of the rate limiter, by rate-limit label.")
    package static let zoomBudgetWait = MetricDefinition(
        "zoom_budget_wait_seconds", .histogram(seconds), "Time that requests waited for a permit of the rate limiter.")
    package static let zoomBudgetDayLimit = MetricDefinition(
        "zoom_budget_day_limit", .gauge,
        "Daily quota of this replica, by rate-limit label; absent where Zoom has no daily limit.")
    package static let zoomBudgetDayUsed = MetricDefinition(
        "zoom_budget_day_used", .gauge,
        "Number of requests sent today (UTC), as far as this replica knows, by rate-limit label.")
    package static let zoomTokenAge = MetricDefinition(
        "zoom_token_age_seconds", .gauge, "Age of the access token in use.")
    package static let zoomTokenLeft = MetricDefinition(
        "zoom_token_left_seconds", .gauge, "Time until the access token in use expires; negative after it expired.")
    package static let zoomTokenRenewals = MetricDefinition(
        "zoom_token_renewals_total", .counter,
        "Number of access-token refreshes, by outcome: obtained from Zoom (obtained), taken from another "
            + "replica (shared), or failed.")
    package static let zoomCircuitOpen = MetricDefinition(
        "zoom_circuit_open", .gauge, "1 while the circuit breaker is open or half-open, otherwise 0.")

    // MARK: Cache

    package static let cacheLookups = MetricDefinition(
        "billing_cache_lookups_total", .counter,
        "Number of cache lookups, by result: fresh, stale (stale-while-revalidate), missed, or stood-in "
            + "(stale-if-error).")
    package static let sharedAnswersLookups = MetricDefinition(
        "billing_shared_answers_lookups_total", .counter,
        "Number of lookups of the answers that replicas share in Redis, by result: hit, missed, failed (Redis did not answer in "
            + "time), skipped (it failed a moment ago), or expired (a request to Zoom took longer than other replicas wait)."
    )
    package static let sharedAnswersWaits = MetricDefinition(
        "billing_shared_answers_waits_total", .counter,
        "Number of lookups that waited for the answer to another replica's request to Zoom.")
    package static let cacheEntries = MetricDefinition(
        "billing_cache_entries", .gauge, "Number of cached responses.")
    package static let cacheBytes = MetricDefinition(
        "billing_cache_bytes", .gauge, "Size of the cached responses in memory.")
    package static let cacheBytesMax = MetricDefinition(
        "billing_cache_max_bytes", .gauge, "Maximum size of the cached responses in memory.")
    package static let cacheEvictions = MetricDefinition(
        "billing_cache_evictions_total", .counter, "Number of cached responses evicted to make room for others.")
    package static let cacheRenewals = MetricDefinition(
        "billing_cache_renewals_total", .counter, "Number of cached responses refreshed in the background.")

    // MARK: Streams

    package static let streamsOpen = MetricDefinition(
        "billing_streams_open", .gauge, "Number of open streams.")
    package static let streamsEnded = MetricDefinition(
        "billing_streams_total", .counter, "Number of streams that ended or were refused, by outcome.")
    package static let streamLines = MetricDefinition(
        "billing_stream_lines_total", .counter, "Number of lines sent on all streams, by type.")
    package static let streamsPaused = MetricDefinition(
        "billing_streams_paused", .gauge, "Number of streams that are paused by back-pressure.")
    package static let streamPausedTime = MetricDefinition(
        "billing_stream_paused_seconds_total", .counter, "Total time that streams were paused by back-pressure.")

    // MARK: Changes

    package static let writes = MetricDefinition(
        "billing_writes_total", .counter, "Number of requests for a change of an account, by operation and outcome.")
    package static let writesUnrecorded = MetricDefinition(
        "billing_writes_unrecorded_total", .counter,
        "Number of changes whose outcome the store of idempotency keys could not record at once.")
    package static let writesRunning = MetricDefinition(
        "billing_writes_running", .gauge, "Number of changes of accounts that run now.")

    // MARK: Invoice files

    package static let invoiceFileBytes = MetricDefinition(
        "billing_invoice_file_bytes_total", .counter, "Number of bytes of invoice files sent to callers.")

    // MARK: State

    package static let stateOperations = MetricDefinition(
        "billing_state_operations_total", .counter,
        "Number of operations on the state file of idempotency keys, by operation and outcome; claim-lost: another "
            + "process owns the key, so nothing was written.")
    package static let stateOperationDuration = MetricDefinition(
        "billing_state_operation_duration_seconds", .histogram(seconds),
        "Duration of operations on the state file, with their wait for the disk, by operation.")

    package static let stateAnswersStoring = MetricDefinition(
        "billing_state_answers_storing", .gauge,
        "1 while this process stores its cached answers in the answers file, 0 while it cannot, or another process does."
    )
    package static let stateAnswersPages = MetricDefinition(
        "billing_state_answers_pages_total", .counter,
        "Number of pages of cached answers that were written to the answers file, removed from it, or read from it at "
            + "the start, by event; unreadable: removed because this version does not know their form.")
    package static let stateAnswersWrites = MetricDefinition(
        "billing_state_answers_writes_total", .counter,
        "Number of attempts to write the changes of cached answers to the answers file, or to open it, by outcome.")
    package static let stateAnswersUnwritten = MetricDefinition(
        "billing_state_answers_unwritten_pages", .gauge,
        "Number of changed pages that the last attempt to write the answers file left unwritten.")
    package static let stateAnswersBytes = MetricDefinition(
        "billing_state_answers_bytes", .gauge, "Size of the answers file and its write-ahead log.")
    package static let stateAnswersSetAside = MetricDefinition(
        "billing_state_answers_set_aside_total", .counter,
        "Number of answers files that were set aside, because they could not be used, by reason.")

    // MARK: Redis

    package static let redisCommands = MetricDefinition(
        "billing_redis_commands_total", .counter,
        "Number of commands for Redis, by result; unavailable and overloaded: not sent.")
    package static let redisCallDuration = MetricDefinition(
        "billing_redis_call_duration_seconds", .histogram(seconds),
        "Duration of calls of Redis, of one or several commands, with their wait for the reply.")
    package static let redisConnected = MetricDefinition(
        "billing_redis_connected", .gauge, "1 while there is a connection to Redis, otherwise 0.")
    package static let redisConnections = MetricDefinition(
        "billing_redis_connections_total", .counter, "Number of connections that were made to Redis.")

    // MARK: Service

    package static let reloads = MetricDefinition(
        "billing_reloads_total", .counter,
        "Number of configuration file reloads, by file and outcome: loaded, or refused because the file is not usable.")
    package static let checkStatus = MetricDefinition(
        "billing_check_status", .gauge, "Status of each readiness check at /readyz: 0 good, 1 degraded, 2 failing.")
    package static let certificateExpiry = MetricDefinition(
        "billing_certificate_expiry_timestamp_seconds", .gauge,
        "Expiry of the TLS certificate in use, in seconds since the Unix epoch.")
    package static let refreshAccounts = MetricDefinition(
        "billing_refresh_accounts", .gauge, "Number of accounts in the current round of background refresh.")
    package static let refreshDone = MetricDefinition(
        "billing_refresh_done", .gauge, "Number of accounts refreshed in the current round of background refresh.")
    package static let refreshFailures = MetricDefinition(
        "billing_refresh_failures", .gauge,
        "Number of accounts that failed in the current round of background refresh.")
    package static let refreshRounds = MetricDefinition(
        "billing_refresh_rounds_total", .counter, "Number of completed rounds of background refresh.")
    package static let logLines = MetricDefinition(
        "billing_log_lines_total", .counter, "Number of lines written to the log, by level.")
    package static let logLinesDropped = MetricDefinition(
        "billing_log_lines_dropped_total", .counter, "Number of log lines dropped because the log reader was too slow.")
    package static let accessLinesLeftOut = MetricDefinition(
        "billing_access_lines_left_out_total", .counter,
        "Number of access log lines of failed requests omitted by the log's rate limit.")
    package static let spansExported = MetricDefinition(
        "trace_spans_exported_total", .counter, "Number of spans that the collector accepted.")
    package static let spansDropped = MetricDefinition(
        "trace_spans_dropped_total", .counter,
        "Number of spans dropped because the collector refused them or was too slow.")
    package static let buildInfo = MetricDefinition(
        "billing_build_info", .gauge, "Always 1; the labels are the versions of the service and its libraries.")

    // MARK: Process

    package static let processCPU = MetricDefinition(
        "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
    package static let processResidentMemory = MetricDefinition(
        "process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
    package static let processVirtualMemory = MetricDefinition(
        "process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.")
    package static let processOpenFiles = MetricDefinition(
        "process_open_fds", .gauge, "Number of open file descriptors.")
    package static let processFilesMax = MetricDefinition(
        "process_max_fds", .gauge, "Maximum number of open file descriptors.")
    package static let processThreads = MetricDefinition(
        "process_threads", .gauge, "Number of OS threads in the process.")
    package static let processStart = MetricDefinition(
        "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")

    package static let all: [MetricDefinition] = [
        serverRequestDuration, serverActiveRequests, serverConnections, serverConnectionsOpened, serverBufferedBytes,
        serverDefences, clientRequestDuration, zoomCalls, zoomBudgetLimit, zoomBudgetSent, zoomBudgetRefused,
        zoomBudgetOwnShare, zoomBudgetWaiting, zoomBudgetWait, zoomBudgetDayLimit, zoomBudgetDayUsed, zoomTokenAge,
        zoomTokenLeft,
        zoomTokenRenewals, zoomCircuitOpen, cacheLookups, cacheEntries, cacheBytes, cacheBytesMax, cacheEvictions,
        cacheRenewals, streamsOpen, streamsEnded, streamLines, streamsPaused, streamPausedTime, writes,
        writesUnrecorded,
        writesRunning, invoiceFileBytes, stateOperations, stateOperationDuration,
        stateAnswersStoring, stateAnswersPages, stateAnswersWrites, stateAnswersUnwritten, stateAnswersBytes,
        stateAnswersSetAside, redisCommands, redisCallDuration, redisConnected, redisConnections,
        reloads, checkStatus,
        certificateExpiry, refreshAccounts, refreshDone, refreshFailures, refreshRounds, logLines, logLinesDropped,
        accessLinesLeftOut,
        spansExported, spansDropped, buildInfo, processCPU, processResidentMemory, processVirtualMemory,
        processOpenFiles, processFilesMax, processThreads, processStart,
    ]
}
