/// Time, handed to the domain so that tests need not wait for it.
package protocol TimeSource: Sendable {
    var now: Moment { get }
    var timestamp: Timestamp { get }

    /// Returns at `moment`, or at once if it has passed.
    ///
    /// - Throws: when the task is cancelled, without waiting any longer.
    func sleep(until moment: Moment) async throws(CancellationError)
}
