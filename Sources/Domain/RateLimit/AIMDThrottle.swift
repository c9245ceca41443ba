/// Reduces our request rate after a refusal and increases it again while there are none (additive increase,
/// multiplicative decrease). Shares a rate limit with other clients if the source does not report the remaining quota.
package struct AIMDThrottle: Sendable, Equatable {
    /// The fraction of the rate in use, above 0 to 1.
    package private(set) var factor = 1.0

    /// False once the source reports the remaining quota, which is more exact.
    private var isOn = true
    private var due: Moment?
    private var lastRefused: Moment?
    private var lastChanged: Moment?

    /// Refusals within this time count as one, since their requests were in flight together.
    private static let simultaneousRefusals = Duration.milliseconds(500)
    private static let factorMin = 0.05

    package init() {}

    /// Turns the throttle off, since the source reports the remaining quota.
    package mutating func turnOff() {
        isOn = false
        factor = 1
        due = nil
    }

    package mutating func sent(at now: Moment, rate: Double) {
        due = isOn && factor < 1 ? now + .seconds(1 / (rate * factor)) : nil
    }

    package func nextSlot(at now: Moment) -> Moment { max(due ?? now, now) }

    package mutating func refused(at now: Moment) {
        guard isOn else { return }
        if let lastRefused, now - lastRefused < Self.simultaneousRefusals { return }
        factor = max(factor * 0.7, Self.factorMin)
        lastRefused = now
        lastChanged = now
    }

    /// Adds a twentieth of the rate per second without a refusal.
    package mutating func accepted(at now: Moment) {
        guard factor < 1 else { return }
        let elapsed = min(now - (lastChanged ?? now), .seconds(1))
        factor = min(factor + 0.05 * (elapsed / .seconds(1)), 1)
        lastChanged = now
    }
}
