import NIOCore
import Synchronization

/// How many wrong tokens each address has shown of late. Right ones are taken from every address however many wrong ones
/// came from it: behind one address there may be many.
final class TokenGuesses: Sendable {
    private let rate: Limits.Rate
    private let defences: DefenceLog
    private let buckets = Mutex<[PeerKey: TokenBucket]>([:])

    /// Addresses remembered. Whoever has more of them than this has better things to do with them than guess.
    private static let addressesMax = 10_000

    init(rate: Limits.Rate, defences: DefenceLog) {
        self.rate = rate
        self.defences = defences
    }

    /// Whether a wrong token is one of those an address may show; counts it.
    func mayGuess(_ address: SocketAddress?, at now: NIODeadline = .now()) -> Bool {
        guard let key = address.flatMap(PeerKey.init) else { return true }
        let isAllowed = buckets.withLock { buckets in
            if buckets.count >= Self.addressesMax, buckets[key] == nil { buckets.removeAll() }
            return buckets[key, default: TokenBucket(rate, now: now)].take(at: now)
        }
        if !isAllowed { defences.acted(.tokenGuesses, against: address) }
        return isAllowed
    }
}
