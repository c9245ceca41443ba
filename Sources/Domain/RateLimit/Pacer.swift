/// Spaces requests evenly to stay within a rate limit.
///
/// At most `perSecond` requests arrive in any window of one second, as long as network latency varies by at most half
/// of `guardTime`. Timers fire late. A late request does not delay all requests after it: up to the other half of
/// `guardTime` is caught up.
package struct Pacer: Sendable, Equatable {
    /// The margin added to each second. That part of the rate stays unused.
    package static let guardTime = Duration.milliseconds(8)

    private static let catchUp = guardTime / 2

    private let spacing: Duration

    /// When the next request is due if no timer fires late.
    private var due: Moment?

    /// - Parameter perSecond: Requests a second, more than 0.
    package init(perSecond: Double) {
        precondition(perSecond > 0 && perSecond.isFinite, "the rate must be positive")
        spacing = (.seconds(1) + Self.guardTime) / perSecond
    }

    /// When the next request may be sent; `now` if none was sent within the last spacing.
    package func nextSlot(at now: Moment) -> Moment {
        guard let due else { return now }
        return max(now, due - Self.catchUp)
    }

    /// Records a request sent at `moment`, which is not before `nextSlot`.
    package mutating func spend(at moment: Moment) {
        due = max(due ?? moment, moment) + spacing
    }
}
