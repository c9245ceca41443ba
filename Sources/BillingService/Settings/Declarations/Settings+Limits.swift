import Adapters

private let kibi = 1 << 10
private let mebi = 1 << 20

extension Settings {
    /// What clients may use of memory, connections and work.
    struct Limits: SettingGroup {
        static let title = "Limits"

        let streams = Setting(
            "http.limits.streams", .integer(1...10_000), default: 128, "Concurrent requests on one HTTP/2 connection.")
        let headerListBytes = Setting(
            "http.limits.header-list-bytes", .size(kibi...mebi), default: 16 * kibi,
            "Header section of one request, with 32 bytes added per field (RFC 9113, 6.5.2).")
        let headerFields = Setting(
            "http.limits.header-fields", .integer(10...10_000), default: 100, "Header fields of one request.")
        let requestBytes = Setting(
            "http.limits.connection-request-bytes", .size(16 * kibi...64 * mebi), default: mebi,
            "Header sections of all concurrent requests on one connection.")
        let pathBytes = Setting(
            "http.limits.path-bytes", .size(256...64 * kibi), default: 8000, "Path and query of one request.")
        let bodyBytes = Setting(
            "http.limits.body-bytes", .size(kibi...64 * mebi), default: 64 * kibi,
            "Body of one request, unless it is streamed.")
        let bodyRate = Setting(
            "http.limits.body-rate", .size(0...1_000_000), default: 500,
            "Minimum bytes per second of such a body, after its first 10 seconds.")
        let resets = Setting(
            "http.limits.resets", .rate, default: .init(burst: 200, perSecond: 20),
            "Requests that a client may reset (RST_STREAM) on one connection: burst and rate. Each completed response allows half a reset more."
        )
        let streamErrors = Setting(
            "http.limits.stream-errors", .rate, default: .init(burst: 100, perSecond: 10),
            "Stream errors that a client may cause on one connection: burst and rate.")
        let controlFrames = Setting(
            "http.limits.control-frames", .rate, default: .init(burst: 500, perSecond: 50),
            "PING, SETTINGS and PRIORITY frames on one connection: burst and rate.")
        let overheadBytes = Setting(
            "http.limits.overhead-bytes", .size(64 * kibi...1024 * mebi), default: mebi,
            "Protocol overhead on one connection, beyond 8 bytes per payload byte.")
        let emptyData = Setting(
            "http.limits.empty-data", .integer(1...100_000), default: 100, "Consecutive empty DATA frames.")
        let windowUpdates = Setting(
            "http.limits.window-updates", .integer(10...100_000), default: 100,
            "WINDOW_UPDATE frames, beyond 10 per KiB sent and 10 per response.")
        let streamWriteBytes = Setting(
            "http.limits.stream-write-bytes", .size(16 * kibi...16 * mebi), default: 64 * kibi,
            "Buffered bytes of one response that wait for the client.")
        let connectionWriteBytes = Setting(
            "http.limits.connection-write-bytes", .size(64 * kibi...64 * mebi), default: 256 * kibi,
            "Buffered bytes of one connection that wait for the network.")
        let streamWindow = Setting(
            "http.window.stream", .size(16 * kibi...16 * mebi), default: 64 * kibi,
            "Flow-control window of one stream: bytes of a request body that a client may send before they are read.")
        let connectionWindow = Setting(
            "http.window.connection", .size(64 * kibi...64 * mebi), default: mebi,
            "Flow-control window of one connection.")
        let connections = Setting(
            "http.limits.connections", .integer(1...1_000_000), default: 8192,
            "Concurrent connections. The default is lowered if memory or open files (ulimit -n) are too few.")
        let connectionsPerAddress = Setting(
            "http.limits.connections-per-address", .integer(1...1_000_000), default: 1024,
            "Concurrent connections from one address (IPv6: one /64). http.trusted-proxies are exempt.")
        let handshakes = Setting(
            "http.limits.handshakes", .integer(1...100_000), default: 256, "Concurrent TLS handshakes.")
        let requestsInFlight = Setting(
            "http.limits.requests-in-flight", .integer(1...1_000_000), default: 4096,
            "Concurrent requests of all connections; more are answered 503.")
        let buffers = Setting(
            "http.limits.buffers-total", .size(8 * mebi...(1 << 40)),
            default: .computed("a quarter of the available memory"),
            "Buffered bytes of all connections; beyond it, requests are answered 503.")
        let callerFailures = Setting(
            "callers.failures", .rate, default: .init(burst: 50, perSecond: 1),
            "Wrong tokens from one address (IPv6: one /64) that are answered 401: burst and rate. More are answered 429."
        )
    }
}
