import Synchronization

/// The civil time of a process, which never goes back. When the system's clock is set back, it continues from the last reading at
/// the speed of the monotonic clock. It stays ahead of the system's clock until the process ends.
package final class SteadyCivilTime: Sendable {
    /// The largest difference between civil time and monotonic time so far, in milliseconds.
    private let offset = Atomic<Int64>(.min)

    package init() {}

    /// The civil time, in milliseconds since 1970. Up to a millisecond ahead of the system's clock, because of rounding.
    ///
    /// - Parameters:
    ///   - system: The reading of the system's clock, in milliseconds since 1970.
    ///   - now: The monotonic time of that reading.
    package func milliseconds(system: Int64, at now: Moment) -> Int64 {
        let now = now.milliseconds
        return now + offset.max(system - now, ordering: .relaxed).newValue
    }
}
