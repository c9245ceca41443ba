package import Domain
package import Logging
package import Metrics
package import NIOCore
import Synchronization

/// Writes a line for each failed request, and for a sample of the successful ones. Lines hold nothing personal or secret. The
/// account's id is personal, so they have the route and not the path.
package struct AccessLog: Sendable {
    private let logger: Logger

    /// The handler of the logger, if it can write a line without a dictionary.
    private let handler: ServiceLogHandler?

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
        handler = logger.handler as? ServiceLogHandler
        sample = Int(share * 65_536)
        failures = Failures(metrics)
    }

    func takes(_ requestID: RequestID, status: Int) -> Bool {
        // Without the logger, which costs more than all the rest of this.
        let level = handler?.logLevel ?? logger.logLevel
        if level <= .debug { return true }
        if status >= 400 { return level <= Self.level(of: status) && failures.take() }
        return level <= .info && requestID.sampleHash < sample
    }

    private static func level(of status: Int) -> Logger.Level { status >= 500 ? .warning : .info }

    package func note(_ line: Line) {
        let level = Self.level(of: line.status)
        guard logger.logLevel <= level else { return }
        if let handler, handler.writePlain(level, "request", { line.write(to: &$0) }) { return }
        logger.log(level: level, "request", metadata: line.metadata)
    }

    package struct Line: Sendable {
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

extension AccessLog.Line {
    /// A line for code outside this module, which has no types of requests.
    ///
    /// - Parameters:
    ///   - requestID: The caller's id; a new one is made if it is not acceptable.
    ///   - cache: Where the answer came from, a raw value of `RequestNote.Cache`.
    package init(
        requestID: String, route: StaticString, caller: Name?, cache: String?, method: String, client: SocketAddress?,
        version: String, traceparent: String?, status: Int, duration: TimeAmount, bytes: Int, upstreamCalls: Int
    ) {
        var note = RequestNote(route: RouteLabel(index: 0, template: route))
        note.caller = caller
        note.cache = cache.flatMap(RequestNote.Cache.init)
        self.init(
            requestID: RequestID(sent: Array(requestID.utf8)[...]), note: note, method: method, client: client,
            version: version, trace: TraceContext(traceparent: traceparent?.utf8, tracestate: nil), status: status,
            duration: duration, bytes: bytes, upstreamCalls: upstreamCalls)
    }

    private var microseconds: Int { Int(duration.nanoseconds / 1000) }

    /// The fields, with the same names and values as `metadata`.
    fileprivate func write(to line: inout PlainLine) {
        line.field("bytes", bytes)
        if let cache = note.cache { line.field("cache", plain: cache.rawValue) }
        if let caller = note.caller { line.field("caller", plain: caller.rawValue) }
        if case .v4? = client, let bits = client.flatMap(AddressRange.bits) {
            line.field("client", ipv4: UInt32(truncatingIfNeeded: bits))
        } else {
            line.field("client", checking: client?.ipAddress ?? Self.unknownClient)
        }
        line.field("duration_ms", thousandths: microseconds)
        line.field("method", checking: method)
        line.field("protocol", plain: version)
        requestID.withBytes { line.field("request_id", plain: $0) }
        line.field("route", plain: note.route.template)
        line.field("status", status)
        if let traceID = trace?.parent.traceID { line.field("trace_id", hexadecimal: traceID.high, traceID.low) }
        line.field("upstream_calls", upstreamCalls)
    }

    /// The fields, whose values may need escapes.
    fileprivate var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "request_id": "\(requestID.text)", "method": "\(method)", "route": "\(note.route.template)",
            "client": "\(client?.ipAddress ?? Self.unknownClient)", "protocol": "\(version)",
            "status": .stringConvertible(status), "duration_ms": .stringConvertible(Double(microseconds) / 1000),
            "bytes": .stringConvertible(bytes), "upstream_calls": .stringConvertible(upstreamCalls),
        ]
        if let caller = note.caller { metadata["caller"] = "\(caller)" }
        if let cache = note.cache { metadata["cache"] = "\(cache.rawValue)" }
        if let trace { metadata["trace_id"] = "\(trace.parent.traceID.text)" }
        return metadata
    }

    /// A client without an IP address.
    private static let unknownClient = "unknown"
}
