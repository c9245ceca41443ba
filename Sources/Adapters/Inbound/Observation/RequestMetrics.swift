import Metrics
import NIOCore
import Synchronization

/// Counts and times requests by method, route, status and protocol version (OpenTelemetry: Semantic Conventions for HTTP
/// Metrics).
final class RequestMetrics: Sendable {
    /// A value that is made when it is first needed: most combinations of labels never occur.
    ///
    /// The standard library's lazy reference does the same, but costs more than all the rest of counting.
    private final class Lazy<Value: Sendable>: Sendable {
        private let isMade = Atomic(false)
        private let making = Mutex(())

        /// Safe because it is written once, within `making` before `isMade` is set, and read only after that.
        nonisolated(unsafe) private var made: Value?

        func value(_ make: () -> Value) -> Value? {
            if isMade.load(ordering: .acquiring) { return made }
            making.withLock { _ in
                guard !isMade.load(ordering: .relaxed) else { return }
                made = make()
                isMade.store(true, ordering: .releasing)
            }
            return made
        }
    }

    /// The requests with the same labels. Their timer is made when the first one has ended.
    final class Series: Sendable {
        private let timer = Lazy<Metrics.Timer>()
        private let make: @Sendable () -> Metrics.Timer

        fileprivate init(_ make: @escaping @Sendable () -> Metrics.Timer) {
            self.make = make
        }

        func ended(after time: TimeAmount) {
            timer.value(make)?.recordNanoseconds(time.nanoseconds)
        }
    }

    /// By route, method and protocol version; each has a series for each of `statuses`.
    private let series: [Lazy<[Series]>]
    private let metrics: any MetricsFactory

    /// The statuses of RFC 9110 and RFC 6585, and 499 for a client that went away. Any other status counts as the last.
    static let statuses =
        Array(200...206) + Array(300...308) + Array(400...417)
        + [421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499] + Array(501...508) + [511, 500]

    /// The place of each status in that list.
    private static let places: [UInt8] = (0..<600).map { status in
        UInt8(statuses.firstIndex(of: status) ?? statuses.count - 1)
    }

    /// - Parameter routes: The labels of all routes, by their index.
    init(metrics: any MetricsFactory, routes: [RouteLabel]) {
        self.metrics = metrics
        series = (0..<routes.count * RequestMethod.allCases.count * 2).map { _ in Lazy() }
    }

    func ended(_ note: RequestNote, status: Int, _ applicationProtocol: ApplicationProtocol, after time: TimeAmount) {
        series(note.route, note.method, status: status, applicationProtocol)?.ended(after: time)
    }

    /// The requests with these labels, for a caller that records many of them.
    func series(
        _ route: RouteLabel, _ method: RequestMethod, status: Int, _ applicationProtocol: ApplicationProtocol
    ) -> Series? {
        let index = (route.index * RequestMethod.allCases.count + method.rawValue) * 2
        let place = Int(Self.places[(0..<600).contains(status) ? status : 0])
        let all = self.series[index + (applicationProtocol == .http2 ? 1 : 0)].value {
            Self.statuses.map { status in
                Series { [metrics] in
                    Metrics.Timer(
                        .serverRequestDuration,
                        [
                            ("http_request_method", method.name), ("http_route", "\(route.template)"),
                            ("http_response_status_code", "\(status)"),
                            ("network_protocol_version", applicationProtocol.version),
                        ], in: metrics)
                }
            }
        }
        return all?[place]
    }
}

extension ApplicationProtocol {
    /// The version, as OpenTelemetry writes it.
    package var version: String {
        switch self {
        case .http1: "1.1"
        case .http2: "2"
        }
    }
}
