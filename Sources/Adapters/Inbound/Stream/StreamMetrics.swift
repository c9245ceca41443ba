import Metrics
import NIOCore

/// Counts streams, their lines, their endings and the time they wait for readers.
final class StreamMetrics: Sendable {
    /// Lines of one stream that have not been counted yet.
    struct Lines {
        var records = RecordCounts()
        var failures = 0
        var heartbeats = 0
    }

    private let open: Meter
    private let paused: Meter
    private let pausedTime: FloatingPointCounter
    private let records: [(type: RecordType, counter: Counter)]
    private let failures: Counter
    private let heartbeats: Counter
    private let endings: [AuditLog.Outcome: Counter]

    init(metrics: any MetricsFactory) {
        open = Meter(.streamsOpen, in: metrics)
        paused = Meter(.streamsPaused, in: metrics)
        pausedTime = FloatingPointCounter(.streamPausedTime, in: metrics)
        records = RecordType.allCases.map { type in
            (type, Counter(.streamLines, [("type", type.rawValue)], in: metrics))
        }
        failures = Counter(.streamLines, [("type", "failure")], in: metrics)
        heartbeats = Counter(.streamLines, [("type", "heartbeat")], in: metrics)
        endings = Dictionary(
            uniqueKeysWithValues: AuditLog.Outcome.allCases.map { outcome in
                (outcome, Counter(.streamsEnded, [("outcome", outcome.rawValue)], in: metrics))
            })
    }

    func began() { open.increment() }

    func ended() { open.decrement() }

    func count(_ outcome: AuditLog.Outcome) { endings[outcome]?.increment() }

    func count(_ lines: Lines) {
        for (type, counter) in records where lines.records[type] > 0 { counter.increment(by: lines.records[type]) }
        if lines.failures > 0 { failures.increment(by: lines.failures) }
        if lines.heartbeats > 0 { heartbeats.increment(by: lines.heartbeats) }
    }

    /// Measures the time that a stream waits for its reader.
    func pause<Failure: Error>(_ wait: () async throws(Failure) -> Void) async throws(Failure) {
        let began = NIODeadline.now()
        paused.increment()
        defer {
            paused.decrement()
            pausedTime.increment(by: Double((NIODeadline.now() - began).nanoseconds) / 1e9)
        }
        try await wait()
    }
}
