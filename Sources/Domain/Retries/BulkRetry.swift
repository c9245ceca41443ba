/// Decides whether and when a job retries a lookup that failed temporarily.
///
/// Each attempt waits for its own permit under the rate limit. So retries cannot multiply the load on the source and
/// need no retry budget. A deadline limits them instead. At a low rate the deadline leaves few attempts, so retries
/// continue after it until the lookup has failed more often than chance explains.
///
/// Retries are quick while the failures match the source's overall failure rate. After that they use exponential
/// back-off.
package struct BulkRetry: Sendable, Equatable {
    /// The maximum wait before a quick retry, with full jitter.
    private static let quickWaitMax = Duration.milliseconds(200)

    /// The maximum wait of the back-off.
    private static let backOffMax = Duration.seconds(5)

    /// The first wait while the source accepts no requests, doubled each time.
    private static let firstPause = Duration.milliseconds(500)

    /// Retries are quick until a run of failures is less probable than this, given the source's failure rate.
    private static let quickChance = 0.001

    /// A lookup fails only after a run of failures less probable than this: no lookup out of a million fails by chance.
    private static let failureChance = 1e-9

    private let deadline: Moment
    private var backOff = Self.quickWaitMax
    private var pause = Self.firstPause
    private(set) var failures = 0

    /// - Parameter deadline: Until when the lookup is retried.
    package init(deadline: Moment) {
        self.deadline = deadline
    }

    package enum Decision: Sendable, Equatable {
        /// The lookup has failed for good.
        case giveUp
        /// Retry this lookup then. Other accounts can be looked up meanwhile.
        case retry(at: Moment)
        /// The source accepts no requests until then, for any account.
        case pause(until: Moment)
    }

    /// Decides after a failed attempt.
    ///
    /// - Parameter failureRate: The source's failure rate.
    package mutating func decide(
        _ failure: BillingFailure, failureRate: FailureRate, at now: Moment,
        using random: inout some RandomNumberGenerator
    ) -> Decision {
        switch failure {
        case .sourceFailed, .timedOut:
            failures += 1
            if failures > failureRate.attempts(untilChanceIsBelow: Self.quickChance) {
                backOff = min(backOff * 2, Self.backOffMax)
            }
            let next = now + backOff * Double.random(in: 0...1, using: &random)
            let isExplained = failures < failureRate.attempts(untilChanceIsBelow: Self.failureChance)
            return next < deadline || isExplained ? .retry(at: next) : .giveUp
        case .rateLimited(let retryAfter):
            let next = now + max(nextPause(), retryAfter)
            return next < deadline ? .retry(at: next) : .giveUp
        case .sourceUnavailable(let retryAfter):
            // The source may recover earlier than it said, so there is one more attempt at the deadline.
            guard now < deadline else { return .giveUp }
            return .pause(until: min(now + max(nextPause(), retryAfter), deadline))
        case .invalid, .selfPay, .accountNotFound, .accountIsFree, .invoiceNotFound, .answerTooLarge, .scopeMissing,
            .dailyQuotaSpent, .accountQuotaSpent, .credentialsRefused, .permissionMissing, .sourceRejected, .notCached,
            .accountListUnusable, .invoiceFileUnusable, .stateUnavailable, .write, .changesUnknown, .cancelled:
            return .giveUp
        }
    }

    private mutating func nextPause() -> Duration {
        defer { pause = min(pause * 2, Self.backOffMax) }
        return pause
    }
}
