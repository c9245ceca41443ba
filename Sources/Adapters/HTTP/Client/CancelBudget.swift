package import NIOCore

/// How often requests are taken back from a server by RST_STREAM. Servers count those as the beginning of an attack
/// (CVE-2023-44487), so beyond this the answer is let come, and dropped.
package struct CancelBudget {
    /// Below what the strictest of servers in use take: 200 in 30 seconds.
    private static let perSecond = 5.0
    private static let burst = 20.0

    private var left = burst
    private var filledAt: NIODeadline

    package init(now: NIODeadline) {
        filledAt = now
    }

    /// Whether another may be taken back now; counts it if so.
    package mutating func take(at now: NIODeadline) -> Bool {
        left = min(Self.burst, left + Double((now - filledAt).nanoseconds) / 1e9 * Self.perSecond)
        filledAt = now
        guard left >= 1 else { return false }
        left -= 1
        return true
    }
}
