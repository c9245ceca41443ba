/// The clock of the domain, so that tests can control the time.
package protocol TimeSource: Sendable {
    var now: Moment { get }
    var timestamp: Timestamp { get }

    /// The civil time in milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. Never goes back, also when the
    /// system's clock is set back (`SteadyCivilTime`): streams of changes refer to it.
    var millisecondsSinceEpoch: Int64 { get }

    /// Returns at `moment`, or at once if it has passed.
    ///
    /// - Throws: As soon as the task is cancelled.
    func sleep(until moment: Moment) async throws(CancellationError)
}
