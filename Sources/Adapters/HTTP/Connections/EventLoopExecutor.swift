import DequeModule
package import NIOCore
import NIOPosix

/// A task executor that runs tasks on an event loop, so that a handler runs on its connection's thread.
///
/// A task started on the loop by `Task.immediate` runs synchronously until its first suspension and resumes on the same
/// loop.
package final class EventLoopExecutor: TaskExecutor {
    /// Jobs that were enqueued on the loop itself. One task of the loop runs all of them.
    private final class Jobs {
        var waiting: Deque<UnownedJob> = []
        var isScheduled = false
    }

    package let eventLoop: any EventLoop
    private let jobs: NIOLoopBoundBox<Jobs>

    private static let ofLoops = LoopLocal { EventLoopExecutor($0) }

    package init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        jobs = .makeBoxSendingValue(Jobs(), eventLoop: eventLoop)
    }

    /// The executor of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> EventLoopExecutor { ofLoops.of(eventLoop) }

    /// The executor of the event loop that runs this code; `nil` on every other thread.
    package static var current: (any TaskExecutor)? { MultiThreadedEventLoopGroup.currentEventLoop.map(ofLoops.of) }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard eventLoop.inEventLoop else {
            eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
            return
        }
        let jobs = jobs.value
        jobs.waiting.append(job)
        schedule(jobs)
    }

    private func schedule(_ jobs: Jobs) {
        guard !jobs.isScheduled else { return }
        jobs.isScheduled = true
        eventLoop.execute { self.run() }
    }

    private func run() {
        let jobs = jobs.value
        jobs.isScheduled = false
        // Jobs that these enqueue wait for the next turn, so that the loop does its other work in between.
        for _ in 0..<jobs.waiting.count {
            guard let job = jobs.waiting.popFirst() else { break }
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
