import Metrics

/// Metrics of the store of idempotency keys.
struct StateMetrics: Sendable {
    /// The values of the label `operation`.
    enum Operation: String, CaseIterable {
        case claim
        case willSend = "will-send"
        case finish
        case leaveUnknown = "leave-unknown"
        case release
        case record
        case resolve
        case remove
    }

    /// The values of the label `outcome`.
    enum Outcome: String, CaseIterable {
        case done
        case failed
        /// The claim was lost, so nothing was written.
        case claimLost = "claim-lost"
        case cancelled
    }

    private let metrics: any MetricsFactory

    init(_ metrics: any MetricsFactory) {
        self.metrics = metrics
        // With the value 0, so that the first event shows as an increase.
        for operation in Operation.allCases {
            for outcome in Outcome.allCases { _ = counter(operation, outcome) }
        }
    }

    func count(_ operation: Operation, _ outcome: Outcome) {
        counter(operation, outcome).increment()
    }

    /// - Parameter duration: Includes the wait for the thread and for the disk.
    func recordDuration(_ operation: Operation, _ duration: Duration) {
        Metrics.Timer(.stateOperationDuration, [("operation", operation.rawValue)], in: metrics)
            .recordNanoseconds(Int64(duration / .nanoseconds(1)))
    }

    private func counter(_ operation: Operation, _ outcome: Outcome) -> Counter {
        Counter(.stateOperations, [("operation", operation.rawValue), ("outcome", outcome.rawValue)], in: metrics)
    }
}
