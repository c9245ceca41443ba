import Domain
import NIOCore
import Synchronization

/// Token buckets for the rates of callers. A bucket survives a reload of the callers file unless the rate changes.
final class CallerRates: Sendable {
    private let buckets = Mutex<[Name: (rate: Caller.Rate, bucket: TokenBucket)]>([:])

    /// Whether the caller may send another request. Takes a token.
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

    /// Returns the token that `mayAsk` has taken for a request.
    func refund(_ caller: Caller) {
        guard caller.rate != nil else { return }
        buckets.withLock { $0[caller.name]?.bucket.refund(1) }
    }
}
