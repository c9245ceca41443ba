/// How long the cache serves an answer, and how much it stores.
package struct CacheRules: Sendable, Equatable {
    /// How long an answer is fresh. Zero turns the cache off.
    package var ttl = Duration.seconds(300)

    /// The maximum fraction of `ttl` that is subtracted at random, so that answers fetched together do not expire
    /// together.
    package var jitter = 0.1

    /// How long a stale answer is served while it is revalidated.
    package var staleWhileRevalidate = Duration.seconds(60)

    /// How long a stale answer is served if the source fails.
    package var staleIfError = Duration.seconds(3600)

    /// How long a failure is cached: the account does not exist, or pays for itself.
    package var failureTTL = Duration.seconds(30)

    /// The fraction of its lifetime after which an answer in demand is revalidated ahead of time.
    package var refreshAhead = 0.8 {
        didSet { refreshAheadParts = Self.parts(refreshAhead) }
    }

    /// `refreshAhead` in 1024ths: each lookup multiplies a duration by it, which is slow with a floating point number.
    private(set) var refreshAheadParts = Self.parts(0.8)

    private static func parts(_ fraction: Double) -> Int { Int((fraction * 1024).rounded()) }

    /// The time between a failed revalidation and the next one.
    package var refreshPause = Duration.seconds(5)

    /// The maximum number of background revalidations in flight.
    package var revalidationsMax = 64

    /// The maximum time that a background revalidation waits for a permit.
    package var revalidationQueueTimeout = Duration.seconds(10)

    /// How long a lookup waits for the answers that replicas share.
    package var sharedLookupTimeMax = Duration.milliseconds(50)

    /// The maximum size of all cached answers together.
    package var bytesMax = 512 << 20

    package init() {}

    /// Whether so much of the lifetime has passed that an answer in demand is revalidated.
    func isRefreshDue(age: Duration, lifetime: Duration) -> Bool {
        // Neither product overflows: a duration of 10,000 years has less than 100 bits.
        age.attoseconds << 10 >= lifetime.attoseconds &* Int128(refreshAheadParts)
    }

    /// The age at which an answer is stale, or due for refresh-ahead.
    func refreshAge(lifetime: Duration) -> Duration {
        // As `isRefreshDue`, rounded up.
        let due = (lifetime.attoseconds &* Int128(refreshAheadParts) &+ 1023) >> 10
        return min(lifetime, Duration(attoseconds: due))
    }

    /// The part of `bytesMax` for answers with prepared responses.
    var preparedBytesMax: Int { bytesMax / 8 }

    /// How long an answer is fresh, with jitter.
    ///
    /// - Parameters:
    ///   - quota: The limit of the operation, if it has one. The answer is then fresh for so long that the
    ///     requests of a whole day stay within the limit.
    ///   - chance: A random number from 0 to 1.
    func lifetime(ofFailure isFailure: Bool, quota: AccountQuota?, chance: Double) -> Duration {
        if let quota, ttl > .zero { return max(quota.evenInterval, isFailure ? .zero : ttl) }
        return (isFailure ? min(failureTTL, ttl) : ttl) * (1 - jitter * chance)
    }
}
