/// The clock of the domain, so that tests can control the time.
package protocol TimeSource: Sendable {
    var now: Moment { get }
    var timestamp: Timestamp { get }

    /// Returns at `moment`, or at once if it has passed.
    ///
    /// - Throws: As soon as the task is cancelled.
    func sleep(until moment: Moment) async throws(CancellationError)
}
