/// The fraction of lookups whose first attempt fails temporarily: a moving average over about 32 lookups.
///
/// Only first attempts count, since an account that always fails is retried often and says nothing about the others.
package struct FailureRate: Sendable, Equatable {
    private static let weight = 1.0 / 32

    /// The lower bound. Below it, a single failure is too likely to be caused by the account.
    private static let lowerBound = 0.01

    /// The upper bound. Above it, the source is down rather than unreliable.
    private static let upperBound = 0.6

    private var average: Double

    package init(_ rate: Double = 0) {
        average = rate
    }

    package mutating func firstAttempt(failed: Bool) {
        average += ((failed ? 1 : 0) - average) * Self.weight
    }

    /// The number of attempts of one lookup that all fail by chance with a probability below `chance`.
    package func attempts(untilChanceIsBelow chance: Double) -> Int {
        let rate = min(max(average, Self.lowerBound), Self.upperBound)
        var attempts = 0
        var probability = 1.0
        while probability > chance {
            probability *= rate
            attempts += 1
        }
        return attempts
    }
}
