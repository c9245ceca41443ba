/// Decides whether and when a job repeats a lookup that failed for a passing reason.
///
/// Each attempt of a job waits for a permit of its own under the rate limit, so retries cannot multiply the load on the
/// source and need no retry budget. What limits them is time: a lookup is repeated until its deadline, and beyond the
/// deadline until it has failed more often than chance explains, since at a low rate the deadline leaves few attempts.
///
/// Retries follow quickly while so many failures are what the source gives everybody; after that with exponential back-off.
package struct BulkRetry: Sendable, Equatable {
    /// The longest wait before a quick retry. With full jitter: a random part of it.
    private static let quickest = Duration.milliseconds(200)

    /// The longest wait of the back-off.
    private static let longest = Duration.seconds(5)

    /// The first wait while the source takes no requests, doubled each time.
    private static let firstPause = Duration.milliseconds(500)

    /// One lookup in a thousand fails that often in a row by chance: until then there is nothing wrong with it.
    private static let quickChance = 0.001

    /// So unlikely that no lookup out of a million becomes a failure by chance.
    private static let failureChance = 1e-9

    private let deadline: Moment
    private var backOff = Self.quickest
    private var pause = Self.firstPause
    private(set) var failures = 0

    /// - Parameter deadline: Until when the lookup is repeated.
    package init(deadline: Moment) {
        self.deadline = deadline
    }

    package enum Decision: Sendable, Equatable {
        /// The failure is the answer.
        case fails
        /// The source was asked and failed: others can be asked for until then.
        case repeats(at: Moment)
        /// The source is not to be asked until then, whatever for.
        case pauses(until: Moment)
    }

    /// What to do about a failure.
    ///
    /// - Parameter share: How often the source fails.
    package mutating func decide(
        _ failure: BillingFailure, share: FailureRate, at now: Moment, using random: inout some RandomNumberGenerator
    ) -> Decision {
        switch failure {
        case .sourceFailed, .timedOut:
            failures += 1
            if failures > share.attempts(untilChanceIsBelow: Self.quickChance) {
                backOff = min(backOff * 2, Self.longest)
            }
            let next = now + backOff * Double.random(in: 0...1, using: &random)
            let isExplained = failures < share.attempts(untilChanceIsBelow: Self.failureChance)
            return next < deadline || isExplained ? .repeats(at: next) : .fails
        case .rateLimited(let retryAfter):
            let next = now + max(takePause(), retryAfter)
            return next < deadline ? .repeats(at: next) : .fails
        case .sourceUnavailable(let retryAfter):
            // The source may be back sooner than it said, so there is one more attempt at the deadline.
            guard now < deadline else { return .fails }
            return .pauses(until: min(now + max(takePause(), retryAfter), deadline))
        case .invalid, .selfPay, .accountNotFound, .scopeMissing, .dailyQuotaSpent, .credentialsRefused,
            .permissionMissing, .sourceRejected, .notCached, .accountListUnusable, .cancelled:
            return .fails
        }
    }

    private mutating func takePause() -> Duration {
        defer { pause = min(pause * 2, Self.longest) }
        return pause
    }
}
