import NIOCore

/// So many at once, and so many a second after that.
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

    /// Whether there is one more to be had now; takes it if so.
    mutating func take(at now: NIODeadline) -> Bool {
        left = min(size, left + Double((now - filledAt).nanoseconds) / 1e9 * perSecond)
        filledAt = now
        guard left >= 1 else { return false }
        left -= 1
        return true
    }

    mutating func giveBack(_ amount: Double) {
        left = min(size, left + amount)
    }
}
