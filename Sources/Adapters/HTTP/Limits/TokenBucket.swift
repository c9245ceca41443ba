import NIOCore

/// A token bucket: allows `burst` events at once and `perSecond` events a second after that.
struct TokenBucket {
    private let size: Double
    private let perSecond: Double
    private var left: Double
    private var filledAt: NIODeadline

    init(_ rate: Limits.Rate, now: NIODeadline) {
        size = Double(rate.burst)
        perSecond = Double(rate.perSecond)
        left = size
        filledAt = now
    }

    /// Takes a token. Returns `false` if the bucket is empty.
    mutating func take(at now: NIODeadline) -> Bool {
        left = min(size, left + Double((now - filledAt).nanoseconds) / 1e9 * perSecond)
        filledAt = now
        guard left >= 1 else { return false }
        left -= 1
        return true
    }

    mutating func refund(_ amount: Double) {
        left = min(size, left + amount)
    }
}
