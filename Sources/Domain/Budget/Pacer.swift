/// Spaces requests evenly so that a rate is kept: a value that is told the time and says when the next may go.
///
/// No more than `perSecond` of them arrive in any one second, wherever the second begins, as long as none is on its way
/// for longer than the others by more than half of `guardTime`. A request that goes late, since clocks ring late, does not
/// delay all that come after it: up to the other half of `guardTime` is caught up with.
package struct Pacer: Sendable, Equatable {
    /// What a second is taken to be longer than it is; so much of the rate is not used.
    package static let guardTime = Duration.milliseconds(8)

    private static let catchUp = guardTime / 2

    private let spacing: Duration

    /// When the next request would go if all went on time.
    private var due: Moment?

    /// - Parameter perSecond: Requests a second, more than 0.
    package init(perSecond: Double) {
        precondition(perSecond > 0 && perSecond.isFinite, "a pace needs a rate")
        spacing = (.seconds(1) + Self.guardTime) / perSecond
    }

    /// When the next request may go: `now`, if none has gone in the last spacing.
    package func nextSlot(at now: Moment) -> Moment {
        guard let due else { return now }
        return max(now, due - Self.catchUp)
    }

    /// A request goes at `moment`, which is no earlier than `nextSlot`.
    package mutating func spend(at moment: Moment) {
        due = max(due ?? moment, moment) + spacing
    }
}
