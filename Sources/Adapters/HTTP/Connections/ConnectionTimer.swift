import NIOCore

/// The timer for a connection's timeout checks. It is rescheduled only when the next check is earlier.
final class ConnectionTimer {
    private let eventLoop: any EventLoop
    private var scheduled: Scheduled<Void>?
    private var firesAt = NIODeadline.distantFuture

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Calls `check` with `connection` no later than `time`. Retains `connection` until then or until `cancel()`.
    func arm<Watched: AnyObject>(_ time: NIODeadline, _ connection: Watched, _ check: @escaping (Watched) -> Void) {
        guard time < firesAt else { return }
        scheduled?.cancel()
        firesAt = time
        let bound = NIOLoopBound((self, connection, check), eventLoop: eventLoop)
        scheduled = eventLoop.scheduleTask(deadline: time) {
            let (timer, connection, check) = bound.value
            timer.firesAt = .distantFuture
            timer.scheduled = nil
            check(connection)
        }
    }

    func cancel() {
        scheduled?.cancel()
        scheduled = nil
        firesAt = .distantFuture
    }
}
