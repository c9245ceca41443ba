/// Spaces requests evenly so that a rate is kept: a value that is told the time and says when the next may go.
///
/// Even spacing never lets more than `perSecond` requests start in any second, wherever the second begins.
package struct Pace: Sendable, Equatable {
    private let spacing: Duration
    private var next: Moment?

    /// - Parameter perSecond: Requests a second, more than 0.
    package init(perSecond: Double) {
        precondition(perSecond > 0 && perSecond.isFinite, "a pace needs a rate")
        spacing = .seconds(1 / perSecond)
    }

    /// When the next request may go: `now`, if none has gone in the last spacing.
    package func nextSlot(at now: Moment) -> Moment {
        guard let next else { return now }
        return max(next, now)
    }

    /// A request goes at `moment`, which is no earlier than `nextSlot`.
    package mutating func spend(at moment: Moment) {
        next = moment + spacing
    }

    /// How long whoever comes as number `position` (from 0) of those who wait has to wait.
    package func wait(position: Int, at now: Moment) -> Duration {
        nextSlot(at: now) - now + spacing * position
    }
}
