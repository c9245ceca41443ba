import Domain
import NIOCore
import Synchronization

/// How much of its rate each caller has left. What a caller has used it has used, also when its rights are read anew.
final class CallerRates: Sendable {
    private let buckets = Mutex<[Name: (rate: Caller.Rate, bucket: TokenBucket)]>([:])

    /// Whether one more request is one of those that the caller may send; counts it.
    func mayAsk(_ caller: Caller, at now: NIODeadline = .now()) -> Bool {
        guard let rate = caller.rate else { return true }
        return buckets.withLock { buckets in
            var entry = buckets[caller.name]
            if entry?.rate != rate {
                entry = (rate, TokenBucket(Limits.Rate(burst: rate.burst, perSecond: rate.perSecond), now: now))
            }
            defer { buckets[caller.name] = entry }
            return entry?.bucket.take(at: now) ?? true
        }
    }
}
