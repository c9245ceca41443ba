import Domain
import Metrics

/// Counts changes by their operation and how they ended.
final class WriteMetrics: Sendable {
    private struct Key: Hashable {
        let operation: Operation
        let ending: AuditLog.WriteEnding
    }

    private let endings: [Key: Counter]
    private let unrecorded: Counter

    init(metrics: any MetricsFactory) {
        var endings: [Key: Counter] = [:]
        for operation in Operation.allCases {
            guard case .write = operation.rules.effect else { continue }
            for ending in AuditLog.WriteEnding.allCases {
                endings[Key(operation: operation, ending: ending)] = Counter(
                    .writes, [("operation", operation.title), ("outcome", ending.rawValue)], in: metrics)
            }
        }
        self.endings = endings
        unrecorded = Counter(.writesUnrecorded, in: metrics)
    }

    func count(_ operation: Operation, _ ending: AuditLog.WriteEnding) {
        endings[Key(operation: operation, ending: ending)]?.increment()
    }

    /// Counts a change whose outcome the store could not record.
    func countUnrecorded() { unrecorded.increment() }
}
