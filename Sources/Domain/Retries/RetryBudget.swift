/// A retry budget: at most one retry for ten requests, so that retries cannot double the load on a failing source.
package struct RetryBudget: Sendable, Equatable {
    /// Added to the budget by each request.
    private static let perRequest = 0.1

    /// The maximum budget: enough for a short outage after a quiet time.
    private static let maximum = 10.0

    private var available = Self.maximum

    package init() {}

    /// Records a first attempt.
    package mutating func recordRequest() {
        available = min(available + Self.perRequest, Self.maximum)
    }

    /// Takes one retry from the budget; false if the budget is used up.
    package mutating func take() -> Bool {
        guard available >= 1 else { return false }
        available -= 1
        return true
    }
}
