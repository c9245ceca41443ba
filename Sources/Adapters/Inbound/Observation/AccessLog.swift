import Domain
package import Logging
package import Metrics
import NIOCore
import Synchronization

/// Writes a line for each failed request, and for a sample of the successful ones. Lines hold nothing personal or secret. The
/// account's id is personal, so they have the route and not the path.
package struct AccessLog: Sendable {
    private let logger: Logger

    /// Successful requests that are logged, per 65,536.
    private let sample: Int

    /// Limits the lines of failed requests, so that a flood of them does not flood the log.
    private final class Failures: Sendable {
        private let bucket: Mutex<TokenBucket>
        private let leftOut: Counter

        init(_ metrics: any MetricsFactory) {
            bucket = Mutex(TokenBucket(Limits.Rate(burst: 200, perSecond: 100), now: .now()))
            leftOut = Counter(.accessLinesLeftOut, in: metrics)
        }

        func take() -> Bool {
            let isTaken = bucket.withLock { $0.take(at: .now()) }
            if !isTaken { leftOut.increment() }
            return isTaken
        }
    }

    private let failures: Failures

    /// - Parameter share: The fraction of successful requests that are logged, from 0 to 1. At level `debug` all are.
    package init(share: Double, logger: Logger, metrics: any MetricsFactory) {
        self.logger = logger
        sample = Int(share * 65_536)
        failures = Failures(metrics)
    }

    func takes(_ requestID: RequestID, status: Int) -> Bool {
        let level = logger.logLevel
        if level <= .debug { return true }
        if status >= 400 { return level <= Self.level(of: status) && failures.take() }
        return level <= .info && requestID.sampleHash < sample
    }

    private static func level(of status: Int) -> Logger.Level { status >= 500 ? .warning : .info }

    func note(_ line: Line) {
        var metadata: Logger.Metadata = [
            "request_id": "\(line.requestID.text)", "method": "\(line.method)", "route": "\(line.note.route.template)",
            "client": "\(line.client?.ipAddress ?? "unknown")", "protocol": "\(line.version)",
            "status": .stringConvertible(line.status),
            "duration_ms": .stringConvertible(Double(line.duration.nanoseconds / 1000) / 1000),
            "bytes": .stringConvertible(line.bytes), "upstream_calls": .stringConvertible(line.upstreamCalls),
        ]
        if let caller = line.note.caller { metadata["caller"] = "\(caller)" }
        if let cache = line.note.cache { metadata["cache"] = "\(cache.rawValue)" }
        if let trace = line.trace { metadata["trace_id"] = "\(trace.parent.traceID.text)" }
        logger.log(level: Self.level(of: line.status), "request", metadata: metadata)
    }

    struct Line: Sendable {
        let requestID: RequestID
        let note: RequestNote
        /// The method as sent. `RequestNote` has known methods only.
        let method: String
        let client: SocketAddress?
        let version: String
        let trace: TraceContext?
        let status: Int
        let duration: TimeAmount
        let bytes: Int
        let upstreamCalls: Int
    }
}
