/// Slows down after refusals and takes speed up again while there are none: how a rate is shared with others when nobody
/// says how much of it they use.
package struct AIMDThrottle: Sendable, Equatable {
    /// How much of the rate is used, above 0 to 1.
    package private(set) var factor = 1.0

    /// What is told is better than what is guessed.
    private var isNeeded = true
    private var due: Moment?
    private var lastRefused: Moment?
    private var lastChanged: Moment?

    /// Refusals of requests that were under way together are one.
    private static let refusalsTogether = Duration.milliseconds(500)
    private static let factorMin = 0.05

    package init() {}

    /// The source says what is left: there is no need to guess.
    package mutating func isTold() {
        isNeeded = false
        factor = 1
        due = nil
    }

    package mutating func sent(at now: Moment, rate: Double) {
        due = isNeeded && factor < 1 ? now + .seconds(1 / (rate * factor)) : nil
    }

    package func nextSlot(at now: Moment) -> Moment { max(due ?? now, now) }

    package mutating func refused(at now: Moment) {
        guard isNeeded else { return }
        if let lastRefused, now - lastRefused < Self.refusalsTogether { return }
        factor = max(factor * 0.7, Self.factorMin)
        lastRefused = now
        lastChanged = now
    }

    /// A twentieth of the rate more in each second without a refusal.
    package mutating func passed(at now: Moment) {
        guard factor < 1 else { return }
        let elapsed = min(now - (lastChanged ?? now), .seconds(1))
        factor = min(factor + 0.05 * (elapsed / .seconds(1)), 1)
        lastChanged = now
    }
}
