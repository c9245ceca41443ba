/// An answer as an adapter keeps it: whatever it makes of it is made once, and given out as often as it is asked for.
package protocol CachedResponse: AnyObject, Sendable {
    /// What it holds, all in all.
    var bytes: Int { get }
}

/// What there is to be kept.
package struct SourceAnswer: Sendable {
    /// What the source has said.
    package let outcome: Result<BillingContact, BillingFailure>

    /// When it did.
    package let asOf: Timestamp

    /// For how long that is fresh.
    package let lifetime: Duration

    /// What was kept of the same account.
    package let last: (any CachedResponse)?
}

/// An answer, and when it was given.
///
/// What an adapter has made of it is known to that adapter alone: were everything here generic over it instead, each look into
/// the cache would cost more than twice as much, since generics do not specialize from one module to another.
package final class CacheEntry: Sendable {
    package let answer: any CachedResponse
    package let asOf: Timestamp

    /// Whose answer it is, if it is that there is nothing to see.
    package let failure: BillingFailure?

    let obtained: Moment
    let lifetime: Duration

    init(_ answer: any CachedResponse, _ source: SourceAnswer, obtained: Moment) {
        self.answer = answer
        asOf = source.asOf
        lifetime = source.lifetime
        self.obtained = obtained
        failure =
            switch source.outcome {
            case .success: nil
            case .failure(let failure): failure
            }
    }

    /// Whether it is still what it was kept as, or only good until there is another.
    package func isFresh(at now: Moment) -> Bool { age(at: now) < lifetime }

    /// Since the source said it.
    package func age(at now: Moment) -> Duration { max(now - obtained, .zero) }
}
