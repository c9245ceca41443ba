/// Schedules the retries of a request that failed temporarily: exponential back-off with full jitter, so that requests
/// that failed together are not repeated together.
package struct RetrySchedule: Sendable, Equatable {
    /// The maximum first wait.
    private static let first = Duration.milliseconds(200)

    /// The maximum of every wait, unless the source asks for more.
    private static let longest = Duration.seconds(5)

    private let deadline: Moment
    private var most = Self.first

    /// - Parameter deadline: Every retry begins before this time.
    package init(deadline: Moment) {
        self.deadline = deadline
    }

    /// The time of the next retry; `nil` if it would not be before the deadline.
    ///
    /// - Parameter retryAfter: How long the source asked us to wait, if it did.
    package mutating func next(
        retryAfter: Duration?, at now: Moment, using random: inout some RandomNumberGenerator
    ) -> Moment? {
        let wait = most * Double.random(in: 0...1, using: &random)
        most = min(most * 2, Self.longest)
        let moment = now + (retryAfter ?? .zero) + wait
        return moment < deadline ? moment : nil
    }
}
