import Metrics
import NIOCore
import Synchronization

/// How many requests there were and how long they took, by what is a label of theirs (OpenTelemetry: Semantic Conventions for
/// HTTP Metrics).
final class RequestMetrics: Sendable {
    /// Made when the first of its kind has ended: most kinds never come.
    private final class Slot: Sendable {
        let timer = AtomicLazyReference<Metrics.Timer>()
    }

    private let slots: [Slot]
    private let metrics: any MetricsFactory

    /// Those that are answered; any other counts as the last.
    private static let statuses = [
        200, 204, 304, 400, 401, 403, 404, 405, 406, 408, 413, 414, 415, 417, 429, 431, 499, 501, 502, 503, 504, 505,
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
        timer(at: index, note, Self.statuses[place], applicationProtocol).recordNanoseconds(time.nanoseconds)
    }

    private func timer(
        at index: Int, _ note: RequestNote, _ status: Int, _ applicationProtocol: ApplicationProtocol
    ) -> Metrics.Timer {
        let slot = slots[index]
        if let timer = slot.timer.load() { return timer }
        let timer = Metrics.Timer(
            .serverRequestDuration,
            [
                ("http_request_method", note.method.name), ("http_route", note.route.template),
                ("http_response_status_code", "\(status)"), ("network_protocol_version", applicationProtocol.version),
            ], in: metrics)
        return slot.timer.storeIfNil(timer)
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
