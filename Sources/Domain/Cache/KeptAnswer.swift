/// An answer as an adapter keeps it: whatever it makes of it is made once, and given out as often as it is asked for.
package protocol KeptAnswer: AnyObject, Sendable {
    /// - Parameters:
    ///   - outcome: What the source has said.
    ///   - asOf: When it did.
    ///   - lifetime: For how long that is fresh.
    ///   - last: What was kept of the same account.
    init(_ outcome: Result<BillingContact, BillingFailure>, asOf: Timestamp, lifetime: Duration, after last: Self?)

    /// What it holds, all in all.
    var bytes: Int { get }
}

/// An answer, and when it was given.
package final class CacheEntry<Answer: KeptAnswer>: Sendable {
    package let answer: Answer
    package let asOf: Timestamp

    /// Whose answer it is, if it is that there is nothing to see.
    package let failure: BillingFailure?

    let obtained: Moment
    let lifetime: Duration

    init(
        _ outcome: Result<BillingContact, BillingFailure>, asOf: Timestamp, obtained: Moment, lifetime: Duration,
        after last: Answer?
    ) {
        answer = Answer(outcome, asOf: asOf, lifetime: lifetime, after: last)
        self.asOf = asOf
        self.obtained = obtained
        self.lifetime = lifetime
        failure =
            switch outcome {
            case .success: nil
            case .failure(let failure): failure
            }
    }

    /// Since the source said it.
    package func age(at now: Moment) -> Duration { max(now - obtained, .zero) }
}
