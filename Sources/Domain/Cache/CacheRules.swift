/// How long what the source has said is good for.
package struct CacheRules: Sendable, Equatable {
    /// For how long an answer is fresh; nothing is kept if it is zero.
    package var ttl = Duration.seconds(300)

    /// The part of `ttl` that is taken off at random, so that what was asked for together does not grow old together.
    package var jitter = 0.1

    /// For how long an answer that is no longer fresh is given out while another is fetched.
    package var staleWhileRevalidate = Duration.seconds(60)

    /// For how long one is given out when the source fails.
    package var staleIfError = Duration.seconds(3600)

    /// For how long it is remembered that an account does not exist or pays for itself.
    package var failureTTL = Duration.seconds(30)

    /// From this part of its time on an answer that is in demand is renewed before it is old.
    package var refreshAhead = 0.8

    /// How long after a renewal that has failed another is tried.
    package var refreshPause = Duration.seconds(5)

    /// Answers that are revalidated in the background at a time.
    package var revalidationsMax = 64

    /// The longest time that a background revalidation waits for a permit.
    package var revalidationQueueTimeout = Duration.seconds(10)

    /// All that is held, together.
    package var bytesMax = 256 << 20

    package init() {}

    /// For how long this answer is fresh.
    ///
    /// - Parameter chance: From 0 to 1.
    func lifetime(ofFailure isFailure: Bool, chance: Double) -> Duration {
        (isFailure ? min(failureTTL, ttl) : ttl) * (1 - jitter * chance)
    }
}
