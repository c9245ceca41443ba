/// The share of lookups that fail at their first attempt for a passing reason: a moving average over about 32 lookups.
///
/// First attempts only, since one account that always fails is retried often and says nothing about the others.
package struct FailureRate: Sendable, Equatable {
    private static let weight = 1.0 / 32

    /// Below, a single failure is too likely to be the account's own.
    private static let least = 0.01

    /// Above, the source is down rather than unreliable.
    private static let most = 0.6

    private var average: Double

    package init(_ share: Double = 0) {
        average = share
    }

    package mutating func firstAttempt(failed: Bool) {
        average += ((failed ? 1 : 0) - average) * Self.weight
    }

    /// The number of attempts of one lookup that all fail by mere chance with less than this probability.
    package func attempts(untilChanceIsBelow chance: Double) -> Int {
        let share = min(max(average, Self.least), Self.most)
        var attempts = 0
        var left = 1.0
        while left > chance {
            left *= share
            attempts += 1
        }
        return attempts
    }
}
