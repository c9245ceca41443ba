import Metrics
import NIOCore
import Synchronization

/// How many requests there were and how long they took, by what is a label of theirs (OpenTelemetry: Semantic Conventions for
/// HTTP Metrics).
final class RequestMetrics: Sendable {
    /// Made when the first of its kind has ended: most kinds never come.
    ///
    /// The standard library's lazy reference does the same, but costs more than all the rest of counting.
    private final class Slot: Sendable {
        private let isMade = Atomic(false)
        private let making = Mutex(())

        /// Safe because it is written once, within `making` and before `isMade` is set, and read only when that is seen to be.
        nonisolated(unsafe) private var made: Metrics.Timer?

        func timer(_ make: () -> Metrics.Timer) -> Metrics.Timer? {
            if isMade.load(ordering: .acquiring) { return made }
            making.withLock { _ in
                guard !isMade.load(ordering: .relaxed) else { return }
                made = make()
                isMade.store(true, ordering: .releasing)
            }
            return made
        }
    }

    private let slots: [Slot]
    private let metrics: any MetricsFactory

    /// Those that are answered; any other counts as the last.
    private static let statuses = [
        200, 204, 304, 400, 401, 403, 404, 405, 406, 408, 413, 414, 415, 417, 426, 429, 431, 499, 501, 502, 503, 504,
        500,
    ]

    /// The place of each status in that list.
    private static let places: [UInt8] = (0..<600).map { status in
        UInt8(statuses.firstIndex(of: status) ?? statuses.count - 1)
    }

    init(metrics: any MetricsFactory) {
        self.metrics = metrics
        let kinds = RequestNote.Route.allCases.count * RequestNote.Method.allCases.count * 2 * Self.statuses.count
        slots = (0..<kinds).map { _ in Slot() }
    }

    func ended(_ note: RequestNote, status: Int, _ applicationProtocol: ApplicationProtocol, after time: TimeAmount) {
        let place = Int(Self.places[(0..<600).contains(status) ? status : 0])
        var index = note.route.rawValue * RequestNote.Method.allCases.count + note.method.rawValue
        index = index * 2 + (applicationProtocol == .http2 ? 1 : 0)
        index = index * Self.statuses.count + place
        let timer = slots[index].timer {
            Metrics.Timer(
                .serverRequestDuration,
                [
                    ("http_request_method", note.method.name), ("http_route", note.route.template),
                    ("http_response_status_code", "\(Self.statuses[place])"),
                    ("network_protocol_version", applicationProtocol.version),
                ], in: metrics)
        }
        timer?.recordNanoseconds(time.nanoseconds)
    }
}

extension ApplicationProtocol {
    /// As OpenTelemetry writes it.
    package var version: String {
        switch self {
        case .http1: "1.1"
        case .http2: "2"
        }
    }
}
