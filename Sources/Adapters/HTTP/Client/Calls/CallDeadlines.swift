import DequeModule
import NIOCore

/// The time limits of the calls on one event loop.
///
/// One timer of the loop serves all of them. Almost every call ends before its limit, so a timer for each call would be
/// scheduled and cancelled for nothing.
final class CallDeadlines {
    /// A time limit of one call.
    final class Deadline {
        fileprivate let time: NIODeadline

        /// `nil` once it no longer applies.
        @exclusivity(unchecked) fileprivate var call: ClientCall?

        fileprivate init(_ time: NIODeadline, _ call: ClientCall) {
            self.time = time
            self.call = call
        }

        func cancel() { call = nil }
    }

    /// The deadlines with the same duration. They expire in the order in which they were added.
    private final class Queue {
        let duration: TimeAmount
        @exclusivity(unchecked) var deadlines: Deque<Deadline> = []

        init(_ duration: TimeAmount) {
            self.duration = duration
        }

        func removeCancelled() {
            while let first = deadlines.first, first.call == nil { deadlines.removeFirst() }
        }
    }

    /// One queue for each duration. The configuration has few of them.
    @exclusivity(unchecked) private var queues: [Queue] = []
    private let timer: ConnectionTimer

    private static let all = LoopLocal { CallDeadlines($0) }

    /// The time limits on `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> CallDeadlines { all.of(eventLoop) }

    private init(_ eventLoop: any EventLoop) {
        timer = ConnectionTimer(eventLoop)
    }

    /// Fails `call` with `timedOut` after `duration`, unless the deadline is cancelled.
    func add(_ call: ClientCall, after duration: TimeAmount) -> Deadline {
        let queue = queue(duration)
        let deadline = Deadline(.now() + duration, call)
        queue.removeCancelled()
        queue.deadlines.append(deadline)
        arm(deadline.time)
        return deadline
    }

    private func queue(_ duration: TimeAmount) -> Queue {
        if let queue = queues.first(where: { $0.duration == duration }) { return queue }
        let queue = Queue(duration)
        queues.append(queue)
        return queue
    }

    private func arm(_ time: NIODeadline) {
        timer.arm(time, self) { $0.expire(at: .now()) }
    }

    private func expire(at now: NIODeadline) {
        for queue in queues {
            queue.removeCancelled()
            while let first = queue.deadlines.first, first.time <= now {
                queue.deadlines.removeFirst()
                first.call?.fail(.timedOut)
                queue.removeCancelled()
            }
        }
        queues.removeAll { $0.deadlines.isEmpty }
        if let next = queues.compactMap({ $0.deadlines.first?.time }).min() { arm(next) }
    }
}
