/// When a request that failed for a passing reason is tried again: after a random part of a time that doubles each time, so
/// that those who failed together do not come back together.
package struct RetrySchedule: Sendable, Equatable {
    /// The most that is waited for the first time.
    private static let first = Duration.milliseconds(200)

    /// The most that is waited at all, unless the source asks for more.
    private static let longest = Duration.seconds(5)

    private let deadline: Moment
    private var most = Self.first

    /// - Parameter deadline: Nothing is tried again at that moment or after it.
    package init(deadline: Moment) {
        self.deadline = deadline
    }

    /// When to try again; `nil` if there is no time left for it.
    ///
    /// - Parameter retryAfter: For how long the source does not want to be asked, if it says so.
    package mutating func next(
        retryAfter: Duration?, at now: Moment, using random: inout some RandomNumberGenerator
    ) -> Moment? {
        let wait = most * Double.random(in: 0...1, using: &random)
        most = min(most * 2, Self.longest)
        let moment = now + (retryAfter ?? .zero) + wait
        return moment < deadline ? moment : nil
    }
}
