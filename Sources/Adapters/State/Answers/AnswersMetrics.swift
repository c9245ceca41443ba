import Metrics

/// Metrics of the answers file.
struct AnswersMetrics: Sendable {
    /// The values of the label `event` of pages.
    enum PageEvent: String, CaseIterable {
        case written
        case removed
        case restored
        case unreadable
    }

    /// The values of the label `outcome` of writes.
    enum WriteOutcome: String, CaseIterable {
        case done
        case failed
    }

    private let metrics: any MetricsFactory
    private let storing: Meter
    private let unwritten: Meter
    private let bytes: Meter

    init(_ metrics: any MetricsFactory) {
        self.metrics = metrics
        storing = Meter(.stateAnswersStoring, in: metrics)
        unwritten = Meter(.stateAnswersUnwritten, in: metrics)
        bytes = Meter(.stateAnswersBytes, in: metrics)
        // With the value 0, so that the first event shows as an increase.
        for event in PageEvent.allCases { _ = pages(event) }
        for outcome in WriteOutcome.allCases { _ = writes(outcome) }
        for reason in AnswersFailure.Unusable.allCases { _ = setAside(reason) }
        setStoring(false)
    }

    func count(_ event: PageEvent, _ count: Int = 1) { pages(event).increment(by: Int64(count)) }
    func count(_ outcome: WriteOutcome) { writes(outcome).increment() }
    func count(_ reason: AnswersFailure.Unusable) { setAside(reason).increment() }
    func setStoring(_ isStoring: Bool) { storing.set(isStoring ? 1 : 0) }
    func setUnwritten(_ count: Int) { unwritten.set(Int64(count)) }
    func setBytes(_ count: Int) { bytes.set(Int64(count)) }

    private func pages(_ event: PageEvent) -> Counter {
        Counter(.stateAnswersPages, [("event", event.rawValue)], in: metrics)
    }

    private func writes(_ outcome: WriteOutcome) -> Counter {
        Counter(.stateAnswersWrites, [("outcome", outcome.rawValue)], in: metrics)
    }

    private func setAside(_ reason: AnswersFailure.Unusable) -> Counter {
        Counter(.stateAnswersSetAside, [("reason", reason.rawValue)], in: metrics)
    }
}
