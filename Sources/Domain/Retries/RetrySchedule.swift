/// Schedules the retries of a request that failed temporarily: exponential back-off with full jitter, so that requests
/// that failed together are not repeated together.
package struct RetrySchedule: Sendable, Equatable {
    /// The maximum first wait.
    private static let firstWaitMax = Duration.milliseconds(200)

    /// The maximum of every wait, unless the source asks for more.
    private static let waitMax = Duration.seconds(5)

    private let deadline: Moment
    private var upperBound = Self.firstWaitMax

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
        let wait = upperBound * Double.random(in: 0...1, using: &random)
        upperBound = min(upperBound * 2, Self.waitMax)
        let moment = now + (retryAfter ?? .zero) + wait
        return moment < deadline ? moment : nil
    }
}
