/// Everything that is measured. Names of OpenTelemetry's semantic conventions where there are any (HTTP), of Prometheus'
/// client libraries for the process.
extension MetricDefinition {
    /// From what is kept, answered in microseconds, to what waits for Zoom.
    private static let seconds = [
        0.000_1, 0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    // MARK: Whoever calls

    package static let serverRequestDuration = MetricDefinition(
        "http_server_request_duration_seconds", .histogram(seconds),
        "Time from a request's header fields to the end of its answer's making; a stream counts to its end.")
    package static let serverActiveRequests = MetricDefinition(
        "http_server_active_requests", .gauge, "Requests being worked on; those answered at once are never seen here.")
    package static let serverConnections = MetricDefinition(
        "http_server_connections", .gauge, "Connections open, by what is spoken on them.")
    package static let serverConnectionsOpened = MetricDefinition(
        "http_server_connections_opened_total", .counter, "Connections that were accepted, by what is spoken on them.")
    package static let serverBufferedBytes = MetricDefinition(
        "http_server_buffered_bytes", .gauge, "Bytes that wait for peers, or for us, on all connections.")
    package static let serverDefences = MetricDefinition(
        "http_server_defences_total", .counter, "Peers stopped, or requests refused, to keep the service from harm.")

    // MARK: Zoom

    package static let clientRequestDuration = MetricDefinition(
        "http_client_request_duration_seconds", .histogram(seconds),
        "Time from handing a request to Zoom to the end of its answer.")
    package static let zoomCalls = MetricDefinition(
        "zoom_calls_total", .counter, "Calls to Zoom, by operation and by how they ended.")
    package static let zoomBudgetLimit = MetricDefinition(
        "zoom_budget_limit_per_second", .gauge, "Requests a second that this replica may send under a label of Zoom's.")
    package static let zoomBudgetSent = MetricDefinition(
        "zoom_budget_sent_total", .counter, "Requests that were let through to Zoom under a label.")
    package static let zoomBudgetRefused = MetricDefinition(
        "zoom_budget_refused_total", .counter,
        "Requests that were not, since they would have waited too long (busy) or the day is spent (day-over).")
    package static let zoomBudgetWaiting = MetricDefinition(
        "zoom_budget_waiting", .gauge, "Requests that wait for their turn under a label.")
    package static let zoomBudgetWait = MetricDefinition(
        "zoom_budget_wait_seconds", .histogram(seconds), "How long requests have waited for their turn.")
    package static let zoomBudgetDayLimit = MetricDefinition(
        "zoom_budget_day_limit", .gauge,
        "Requests a day that this replica may send under a label; only where there is a limit.")
    package static let zoomBudgetDayUsed = MetricDefinition(
        "zoom_budget_day_used", .gauge, "Those of the day that were sent, as far as this replica knows.")
    package static let zoomTokenAge = MetricDefinition(
        "zoom_token_age_seconds", .gauge, "Age of the access token in use.")
    package static let zoomTokenLeft = MetricDefinition(
        "zoom_token_left_seconds", .gauge, "Time until the access token in use expires; negative once it has.")
    package static let zoomTokenRenewals = MetricDefinition(
        "zoom_token_renewals_total", .counter,
        "Access tokens obtained of Zoom, taken over from another replica (shared), or not to be had (failed).")
    package static let zoomCircuitOpen = MetricDefinition(
        "zoom_circuit_open", .gauge, "1 while Zoom is left alone after many failures.")

    // MARK: What is kept

    package static let cacheLookups = MetricDefinition(
        "billing_cache_lookups_total", .counter,
        "Looks for an answer that is kept: fresh, stale but given out, missed, or standing in for a failure of Zoom's.")
    package static let cacheEntries = MetricDefinition(
        "billing_cache_entries", .gauge, "Answers that are kept.")
    package static let cacheBytes = MetricDefinition(
        "billing_cache_bytes", .gauge, "Memory that they are counted with.")
    package static let cacheBytesMax = MetricDefinition(
        "billing_cache_max_bytes", .gauge, "Memory that they may have.")
    package static let cacheEvictions = MetricDefinition(
        "billing_cache_evictions_total", .counter, "Answers given up for others.")
    package static let cacheRenewals = MetricDefinition(
        "billing_cache_renewals_total", .counter, "Answers fetched anew with nobody waiting.")

    // MARK: Streams

    package static let streamsOpen = MetricDefinition(
        "billing_streams_open", .gauge, "Streams under way.")
    package static let streamsEnded = MetricDefinition(
        "billing_streams_total", .counter, "Streams that have ended, or were not begun, by how.")
    package static let streamLines = MetricDefinition(
        "billing_stream_lines_total", .counter, "Lines of all streams, by type.")
    package static let streamsPaused = MetricDefinition(
        "billing_streams_paused", .gauge, "Streams that wait for their reader at this moment.")
    package static let streamPausedTime = MetricDefinition(
        "billing_stream_paused_seconds_total", .counter, "Time that streams have waited for their readers.")

    // MARK: The service itself

    package static let reloads = MetricDefinition(
        "billing_reloads_total", .counter,
        "Files read again: what was new in them is in use (loaded), or could not be (refused).")
    package static let checkStatus = MetricDefinition(
        "billing_check_status", .gauge, "What /readyz says of each check: 0 good, 1 degraded, 2 failing.")
    package static let certificateExpiry = MetricDefinition(
        "billing_certificate_expiry_timestamp_seconds", .gauge, "When the certificate in use expires, since 1970.")
    package static let refreshAccounts = MetricDefinition(
        "billing_refresh_accounts", .gauge, "Accounts of the round of background refresh that is under way.")
    package static let refreshDone = MetricDefinition(
        "billing_refresh_done", .gauge, "Those of them that are done.")
    package static let refreshFailures = MetricDefinition(
        "billing_refresh_failures", .gauge, "Those that failed.")
    package static let refreshRounds = MetricDefinition(
        "billing_refresh_rounds_total", .counter, "Rounds of background refresh that were completed.")
    package static let logLines = MetricDefinition(
        "billing_log_lines_total", .counter, "Lines written to the log, by level.")
    package static let logLinesDropped = MetricDefinition(
        "billing_log_lines_dropped_total", .counter, "Lines given up since nobody took them fast enough.")
    package static let accessLinesLeftOut = MetricDefinition(
        "billing_access_lines_left_out_total", .counter,
        "Lines about requests that failed which were not written, since there were too many in their second.")
    package static let spansExported = MetricDefinition(
        "trace_spans_exported_total", .counter, "Spans that the collector has taken.")
    package static let spansDropped = MetricDefinition(
        "trace_spans_dropped_total", .counter,
        "Spans that were given up, since the collector was too slow or refused them.")
    package static let buildInfo = MetricDefinition(
        "billing_build_info", .gauge, "1; the versions are in the labels.")

    // MARK: The process

    package static let processCPU = MetricDefinition(
        "process_cpu_seconds_total", .counter, "Processor time, of user and system together.")
    package static let processResidentMemory = MetricDefinition(
        "process_resident_memory_bytes", .gauge, "Resident memory.")
    package static let processVirtualMemory = MetricDefinition(
        "process_virtual_memory_bytes", .gauge, "Virtual memory.")
    package static let processOpenFiles = MetricDefinition(
        "process_open_fds", .gauge, "Files that are open, sockets included.")
    package static let processFilesMax = MetricDefinition(
        "process_max_fds", .gauge, "Files that may be open.")
    package static let processThreads = MetricDefinition(
        "process_threads", .gauge, "Threads.")
    package static let processStart = MetricDefinition(
        "process_start_time_seconds", .gauge, "When the process began, since 1970.")

    package static let all: [MetricDefinition] = [
        serverRequestDuration, serverActiveRequests, serverConnections, serverConnectionsOpened, serverBufferedBytes,
        serverDefences, clientRequestDuration, zoomCalls, zoomBudgetLimit, zoomBudgetSent, zoomBudgetRefused,
        zoomBudgetWaiting, zoomBudgetWait, zoomBudgetDayLimit, zoomBudgetDayUsed, zoomTokenAge, zoomTokenLeft,
        zoomTokenRenewals, zoomCircuitOpen, cacheLookups, cacheEntries, cacheBytes, cacheBytesMax, cacheEvictions,
        cacheRenewals, streamsOpen, streamsEnded, streamLines, streamsPaused, streamPausedTime, reloads, checkStatus,
        certificateExpiry, refreshAccounts, refreshDone, refreshFailures, refreshRounds, logLines, logLinesDropped,
        accessLinesLeftOut,
        spansExported, spansDropped, buildInfo, processCPU, processResidentMemory, processVirtualMemory,
        processOpenFiles, processFilesMax, processThreads, processStart,
    ]
}
