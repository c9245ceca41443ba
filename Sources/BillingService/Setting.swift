/// One setting of the service: its name, what it means, and what holds where nobody says otherwise.
///
/// The flag, the variable of the environment, the place in the file, `--help` and `--print-config` all come from here.
struct Setting: Sendable, Hashable {
    /// Dotted, as in the file: `http.port`.
    let key: String

    /// As somebody would write it; `nil` where there is none.
    let defaultText: String?

    /// What stands for the value in `--help`.
    let valueName: String

    /// What it means, with its unit and its range.
    let summary: String

    init(_ key: String, default defaultText: String?, _ valueName: String, _ summary: String) {
        self.key = key
        self.defaultText = defaultText
        self.valueName = valueName
        self.summary = summary
    }

    /// `--http-port`, without the dashes in front.
    var flagName: String { key.replacing(".", with: "-") }

    /// `BILLING_HTTP_PORT`.
    var variableName: String { "BILLING_" + keyAsVariable }

    /// `HTTP_PORT`.
    var keyAsVariable: String { key.uppercased().replacing(".", with: "_").replacing("-", with: "_") }
}

extension Setting {
    // MARK: The listeners

    static let httpHost = Setting(
        "http.host", default: "127.0.0.1", "address", "Address to listen on; 0.0.0.0 or :: for all.")
    static let httpPort = Setting(
        "http.port", default: nil, "port",
        "Port to listen on, 0 to 65535; 0 lets the system choose. 8443 with TLS, 8080 without, if not given.")
    static let httpTLSCertificate = Setting(
        "http.tls.certificate", default: nil, "path",
        "PEM file with the certificate and those between it and its root. With it, the listener speaks TLS alone.")
    static let httpTLSKey = Setting(
        "http.tls.key", default: nil, "path", "PEM file with the certificate's key, not encrypted.")
    static let httpTLSClientCA = Setting(
        "http.tls.client-ca", default: nil, "path",
        "PEM file: clients must show a certificate that comes from one of these.")
    static let httpTrustedProxies = Setting(
        "http.trusted-proxies", default: "", "ranges",
        "Addresses, as 10.0.0.0/8,::1, whose Forwarded and X-Forwarded-For say who the client is.")
    static let httpProxyProtocolTrusted = Setting(
        "http.proxy-protocol.trusted", default: "", "ranges",
        "Addresses whose connections begin with a PROXY protocol header (1 or 2), which they must.")
    static let httpForwardedField = Setting(
        "http.forwarded-field", default: "x-forwarded-for", "name",
        "The field they say it in, x-forwarded-for or forwarded; the other is anybody's word and not looked at.")
    static let opsHost = Setting(
        "ops.host", default: "127.0.0.1", "address",
        "Address of the listener for operators: /livez, /readyz and /metrics.")
    static let opsPort = Setting(
        "ops.port", default: "9090", "port", "Its port, 0 to 65535; 0 lets the system choose.")

    // MARK: Deadlines and ages

    static let httpHandshakeTimeout = Setting(
        "http.timeouts.handshake", default: "10s", "time",
        "From accepting a connection to its first request's first bytes, 10ms to 1h: PROXY header, TLS, preface.")
    static let httpHeadersTimeout = Setting(
        "http.timeouts.headers", default: "10s", "time",
        "From the first byte of a request's header fields to the last, 10ms to 1h. Bytes that trickle do not extend it."
    )
    static let httpRequestTimeout = Setting(
        "http.timeouts.request", default: "30s", "time",
        "How long the answer to a request that is not streamed may take, 10ms to 1h; then it is answered 504.")
    static let httpBodySilenceTimeout = Setting(
        "http.timeouts.body-silence", default: "60s", "time",
        "How long a request's body may pause, 10ms to 1h.")
    static let httpWriteProgressTimeout = Setting(
        "http.timeouts.write-progress", default: "30s", "time",
        "How long an answer may wait for a client that takes less than 4 KiB of it, 10ms to 1h.")
    static let httpWriteProgressBulkTimeout = Setting(
        "http.timeouts.write-progress-bulk", default: "5m", "time",
        "The same for streams, 10ms to 1d: readers pause to commit what they have.")
    static let httpIdleTimeout = Setting(
        "http.timeouts.idle", default: "2m", "time",
        "How long a connection may be without a request, 10ms to 1d: longer than balancers keep theirs.")
    static let httpKeepaliveTimeout = Setting(
        "http.timeouts.keepalive", default: "30s", "time",
        "How long an HTTP/2 client with a request open may be silent before it is sent a PING, 10ms to 1h.")
    static let httpKeepaliveAnswerTimeout = Setting(
        "http.timeouts.keepalive-answer", default: "10s", "time", "How long it may take to answer that, 10ms to 1h.")
    static let httpSettingsTimeout = Setting(
        "http.timeouts.settings-ack", default: "10s", "time",
        "How long an HTTP/2 client may take to acknowledge our SETTINGS, 10ms to 1h.")
    static let httpConnectionAge = Setting(
        "http.connection.age", default: "1h", "time",
        "How old a connection may grow, give or take a tenth, 10ms to 7d, so that clients find new replicas.")
    static let httpConnectionRequests = Setting(
        "http.connection.requests", default: "100000", "count",
        "Requests on one connection, 1 to 1000000000, for the same reason.")

    // MARK: What peers may have

    static let httpStreamsLimit = Setting(
        "http.limits.streams", default: "128", "count",
        "Requests one HTTP/2 connection may have open at once, 1 to 10000.")
    static let httpHeaderListBytesLimit = Setting(
        "http.limits.header-list-bytes", default: "16KiB", "size",
        "Header fields of one request, 32 bytes added for each field (RFC 9113, 6.5.2), 1KiB to 1MiB.")
    static let httpHeaderFieldsLimit = Setting(
        "http.limits.header-fields", default: "100", "count", "Header fields of one request, 10 to 10000.")
    static let httpRequestBytesLimit = Setting(
        "http.limits.connection-request-bytes", default: "1MiB", "size",
        "Header fields of all requests under way on one connection, 16KiB to 64MiB.")
    static let httpPathBytesLimit = Setting(
        "http.limits.path-bytes", default: "8000", "size", "A path with its query, 256 to 64KiB.")
    static let httpBodyBytesLimit = Setting(
        "http.limits.body-bytes", default: "64KiB", "size", "The body of a request that is no stream, 1KiB to 64MiB.")
    static let httpBodyRateLimit = Setting(
        "http.limits.body-rate", default: "500", "bytes",
        "Bytes a second that such a body must come with after its first 10 seconds, 0 to 1000000.")
    static let httpResetsLimit = Setting(
        "http.limits.resets", default: "200,20/s", "rate",
        "Requests one connection may take back (RST_STREAM): so many at once, and so many a second after that. An answer that was let come earns half of one."
    )
    static let httpStreamErrorsLimit = Setting(
        "http.limits.stream-errors", default: "100,10/s", "rate", "Errors of one connection that cost it a stream each."
    )
    static let httpControlFramesLimit = Setting(
        "http.limits.control-frames", default: "500,50/s", "rate", "PING, SETTINGS and PRIORITY of one connection.")
    static let httpOverheadBytesLimit = Setting(
        "http.limits.overhead-bytes", default: "1MiB", "size",
        "Bytes of one connection that carry nothing, beside 8 for each that does, 64KiB to 1GiB.")
    static let httpEmptyDataLimit = Setting(
        "http.limits.empty-data", default: "100", "count", "DATA frames in a row with nothing in them, 1 to 100000.")
    static let httpWindowUpdatesLimit = Setting(
        "http.limits.window-updates", default: "100", "count",
        "WINDOW_UPDATE frames beside 10 for each KiB and for each answer that was sent, 10 to 100000.")
    static let httpStreamWriteBytesLimit = Setting(
        "http.limits.stream-write-bytes", default: "64KiB", "size",
        "Bytes of one answer that may wait for its reader, 16KiB to 16MiB.")
    static let httpConnectionWriteBytesLimit = Setting(
        "http.limits.connection-write-bytes", default: "256KiB", "size",
        "Bytes of one connection that may wait for the network, 64KiB to 64MiB.")
    static let httpStreamWindow = Setting(
        "http.window.stream", default: "64KiB", "size",
        "Bytes of one request's body that a client may send ahead of its being read, 16KiB to 16MiB.")
    static let httpConnectionWindow = Setting(
        "http.window.connection", default: "1MiB", "size", "The same for all of a connection, 64KiB to 64MiB.")
    static let httpConnectionsLimit = Setting(
        "http.limits.connections", default: "8192", "count",
        "Connections, 1 to 1000000. Less than the default where memory or open files (ulimit -n) do not suffice.")
    static let httpConnectionsPerAddressLimit = Setting(
        "http.limits.connections-per-address", default: "1024", "count",
        "Connections from one address (one /64 of IPv6) that is not one of http.trusted-proxies, 1 to 1000000.")
    static let httpHandshakesLimit = Setting(
        "http.limits.handshakes", default: "256", "count", "TLS handshakes under way, 1 to 100000.")
    static let httpRequestsInFlightLimit = Setting(
        "http.limits.requests-in-flight", default: "4096", "count",
        "Requests being worked on, 1 to 1000000; more are answered 503.")
    static let httpBuffersLimit = Setting(
        "http.limits.buffers-total", default: nil, "size",
        "Bytes that all connections together may hold, 8MiB to 1TiB; above it requests are answered 503. A quarter of the memory at hand if not given."
    )
    static let callersFailures = Setting(
        "callers.failures", default: "50,1/s", "rate",
        "Wrong tokens from one address (one /64 of IPv6) that are answered 401; more are answered 429.")

    static let httpEventLoops = Setting(
        "http.event-loops", default: "0", "count",
        "Threads that serve connections, 1 to 256; 0 takes one for each processor at hand, by the limits of control groups as well."
    )
    static let shutdownDelay = Setting(
        "shutdown.delay", default: nil, "time",
        "How long connections are still taken after SIGTERM, 0s to 1h, so that balancers hear from /readyz first. 5s, or 0s with sandbox, if not given."
    )
    static let shutdownGrace = Setting(
        "shutdown.grace", default: "20s", "time",
        "How long requests under way may take to end after that, 0s to 1h; then they are cut off.")

    // MARK: Zoom

    static let zoomAPIURL = Setting(
        "zoom.api-url", default: "https://api.zoom.us/v2", "url",
        "Zoom's API. http, which is HTTP/2 in clear text, is taken for loopback alone. HTTPS_PROXY and NO_PROXY are heeded."
    )
    static let zoomOAuthURL = Setting(
        "zoom.oauth-url", default: "https://zoom.us/oauth/token", "url", "Zoom's token endpoint; likewise.")
    static let zoomPlan = Setting(
        "zoom.plan", default: "pro", "plan",
        "The master account's plan, which sets Zoom's rate limits: free, pro, or business (and all above it).")
    static let zoomRateShare = Setting(
        "zoom.rate-share", default: "0.8", "share",
        "How much of the plan's rate to use, above 0 to 1. Zoom counts all programs of the account together.")
    static let zoomTimeout = Setting(
        "zoom.timeout", default: "10s", "time",
        "How long one call to Zoom may take in all, waiting for a connection included, 100ms to 5m.")
    static let zoomResolveTimeout = Setting(
        "zoom.resolve-timeout", default: "5s", "time", "How long finding Zoom's addresses may take, 10ms to 5m.")
    static let zoomConnectTimeout = Setting(
        "zoom.connect-timeout", default: "5s", "time",
        "How long connecting to Zoom may take, or to the proxy and through it, 10ms to 5m.")
    static let zoomTLSTimeout = Setting(
        "zoom.tls-timeout", default: "5s", "time", "How long a TLS handshake with Zoom may take, 10ms to 5m.")
    static let zoomFirstByteTimeout = Setting(
        "zoom.first-byte-timeout", default: "10s", "time",
        "How long Zoom may take to begin its answer once it has the request, 10ms to 5m.")
    static let zoomConnectionAge = Setting(
        "zoom.connection-age", default: "10m", "time",
        "How old a connection to Zoom may grow, give or take a tenth, 10ms to 1d.")
    static let zoomQuiet = Setting(
        "zoom.ping-after", default: "30s", "time",
        "A connection to Zoom that was quiet for so long is sent a PING before it is used again, 10ms to 1h.")
    static let zoomResolveInterval = Setting(
        "zoom.resolve-interval", default: "60s", "time",
        "How often Zoom's addresses are asked for again while a connection is in use, 10ms to 1d.")
    static let zoomCAFile = Setting(
        "zoom.ca-file", default: nil, "path",
        "PEM file with the certificates that Zoom's must come from, instead of the system's. For the service of export --url, too."
    )
    static let zoomWait = Setting(
        "zoom.wait", default: "10s", "time",
        "How long a single lookup may wait for its permit if it does not say so itself (Prefer: wait=5), 0s to 5m; it is answered 429 at once if it would take longer. Neither is longer than http.timeouts.request less zoom.timeout, or half of http.timeouts.request if that is more."
    )
    static let zoomRetryTime = Setting(
        "zoom.retry-time", default: "15s", "time",
        "How long a single lookup that fails for a passing reason is tried again, 0s to 5m, and no longer than http.timeouts.request leaves (see zoom.wait). One in ten of these calls may be such."
    )
    static let cacheTTL = Setting(
        "cache.ttl", default: "5m", "time",
        "How long an answer of Zoom's is fresh, less up to a tenth at random, 0s to 1d. With 0s nothing is kept.")
    static let cacheMaxBytes = Setting(
        "cache.max-bytes", default: "", "size",
        "Memory for answers that are kept, 1MiB to half of what is at hand. 256MiB, or a quarter of the memory if that is less, if not given."
    )
    static let cacheStaleWhileRevalidate = Setting(
        "cache.stale-while-revalidate", default: "1m", "time",
        "How long an answer that is no longer fresh is given out while another is fetched, 0s to 1d.")
    static let cacheStaleIfError = Setting(
        "cache.stale-if-error", default: "1h", "time",
        "How long an answer that is no longer fresh stands in when Zoom fails, 0s to 7d.")
    static let cacheFailureTTL = Setting(
        "cache.failure-ttl", default: "30s", "time",
        "How long it is remembered that an account does not exist or pays for itself, 0s to 1h.")
    static let cacheRefreshAhead = Setting(
        "cache.refresh-ahead", default: "0.8", "share",
        "From which part of its time on an answer that is in demand is renewed, above 0 to 1, when Zoom's rate leaves room."
    )
    static let refreshInterval = Setting(
        "refresh.interval", default: "0s", "time",
        "How often all accounts are asked for in the background, on what is left of Zoom's rate, 1m to 7d; never with 0s. Not longer than cache.ttl."
    )
    static let exportWindow = Setting(
        "export.window", default: "64", "count", "Lookups a stream has under way at a time, 1 to 1000.")
    static let credentialsFile = Setting(
        "credentials.file", default: nil, "path",
        "File with the master accounts and their credentials. Needed without a sandbox.")
    static let credentialsKeyFile = Setting(
        "credentials.key-file", default: nil, "path",
        "File with the keys, one a line, that the credentials are encrypted with. BILLING_CREDENTIALS_KEY may hold one instead."
    )
    static let zoomTokenFile = Setting(
        "zoom.token-file", default: nil, "path",
        "File in which replicas share access tokens, encrypted if the credentials are: needed where Zoom lets only the newest token live."
    )
    static let callersFile = Setting(
        "callers.file", default: nil, "path",
        "File with the programs that may call. Without any, only loopback is listened on.")
    static let allowSharedFile = Setting(
        "allow-shared-file", default: "false", "",
        "Take these files though others than their owner may use them, as in mounts of Kubernetes.")
    static let logLevel = Setting(
        "log.level", default: "info", "level",
        "trace, debug, info, notice, warning, error or critical. SIGUSR1 makes a running service say a step more, SIGUSR2 as much as is configured; a change in the file of --config is heeded."
    )
    static let logFormat = Setting(
        "log.format", default: "auto", "format",
        "text for people, json for programs, or auto: text if standard error is a terminal.")
    static let logAccessSample = Setting(
        "log.access-sample", default: "0.01", "share",
        "Of all requests that go well so many leave a line in the log, above 0 to 1; at the level debug all do. Those that fail always do, up to 100 a second."
    )
    static let traceURL = Setting(
        "trace.otlp-url", default: nil, "url",
        "Where spans are sent, as JSON over HTTP: http://collector:4318/v1/traces. None are made if not given.")
    static let traceSample = Setting(
        "trace.sample", default: "0.01", "share",
        "Of the traces that begin here so many are recorded, above 0 to 1. Of others, whoever began them decides.")
    static let sandbox = Setting(
        "sandbox", default: "false", "", "Serve an embedded Zoom instead of the real one: nothing else is needed.")
    static let sandboxAccounts = Setting(
        "sandbox.accounts", default: "1000", "count", "Sub accounts of the sandbox, 0 to 10000000.")
    static let sandboxLimits = Setting(
        "sandbox.limits", default: "none", "plan",
        "Rate limits the sandbox keeps: none, free, pro or business. The service keeps to the same plan.")
    static let sandboxSeed = Setting(
        "sandbox.seed", default: "1", "number", "The same seed makes the same sub accounts, latencies and chances.")
    static let sandboxTokens = Setting(
        "sandbox.tokens", default: "coexisting", "kind",
        "What a new token does to older ones: coexisting lets them live, superseding ends them.")
    static let sandboxLatency = Setting(
        "sandbox.latency", default: "0s", "time",
        "How long the sandbox takes to answer, 0s to 60s: half of the answers take longer, one in a hundred 3.2 times as long."
    )
    static let sandboxNow = Setting(
        "sandbox.now", default: nil, "time", "What time it is in the sandbox at first, as 2026-01-31T23:59:00Z.")
    static let sandboxFaultsFile = Setting(
        "sandbox.faults-file", default: nil, "path",
        "JSON file with what goes wrong in the sandbox: {\"faults\": [{\"fault\": \"html\", \"probability\": 0.1}]}.")
    static let sandboxTLSCertificate = Setting(
        "sandbox.tls.certificate", default: nil, "path", "PEM file; with it the sandbox speaks TLS alone.")
    static let sandboxTLSKey = Setting(
        "sandbox.tls.key", default: nil, "path", "PEM file with the certificate's key, not encrypted.")
    static let sandboxHost = Setting(
        "sandbox.host", default: "127.0.0.1", "address",
        "Address that the sandbox listens on, to be reached from other machines. A service takes it in clear text on its own alone, so it needs a certificate then."
    )
    static let sandboxPort = Setting(
        "sandbox.port", default: "8090", "port", "Port of the sandbox, 0 to 65535; 0 lets the system choose.")
    static let sandboxCredentialsFile = Setting(
        "sandbox.credentials-file", default: nil, "path",
        "Where to write the credentials of the sandbox's app, for credentials.file of a service.")
}
