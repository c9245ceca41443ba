import NIOCore
import Synchronization

/// Limits the rate of wrong tokens from each address. Valid tokens are always accepted, since many clients may share an
/// address.
final class TokenGuesses: Sendable {
    private let rate: Limits.Rate
    private let defences: DefenceLog
    private let buckets = Mutex<[PeerKey: TokenBucket]>([:])

    /// The most addresses with a bucket. All buckets are dropped at that number: guessing tokens of 256 bits from more
    /// addresses is hopeless as well.
    private static let addressesMax = 10_000

    init(rate: Limits.Rate, defences: DefenceLog) {
        self.rate = rate
        self.defences = defences
    }

    /// Whether the address may send another wrong token. Takes a token of the bucket.
    func mayGuess(_ address: SocketAddress?, at now: NIODeadline = .now()) -> Bool {
        guard let key = address.flatMap(PeerKey.init) else { return true }
        let isAllowed = buckets.withLock { buckets in
            if buckets.count >= Self.addressesMax, buckets[key] == nil { buckets.removeAll() }
            return buckets[key, default: TokenBucket(rate, now: now)].take(at: now)
        }
        if !isAllowed { defences.triggered(.tokenGuesses, against: address) }
        return isAllowed
    }
}
