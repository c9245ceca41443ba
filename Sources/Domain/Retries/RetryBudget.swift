/// How much may be tried again: one in ten of what is asked, so that a source in trouble is not asked for twice as much.
package struct RetryBudget: Sendable, Equatable {
    /// What a request adds to it.
    private static let perRequest = 0.1

    /// What a quiet time leaves for a bad moment.
    private static let most = 10.0

    private var left = Self.most

    package init() {}

    /// Something is asked for the first time.
    package mutating func asked() {
        left = min(left + Self.perRequest, Self.most)
    }

    /// Whether something may be asked once more; counts it.
    package mutating func take() -> Bool {
        guard left >= 1 else { return false }
        left -= 1
        return true
    }
}
