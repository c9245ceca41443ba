package import NIOCore
import NIOPosix

/// A task executor that runs tasks on an event loop, so that a handler runs on its connection's thread.
///
/// A task started on the loop by `Task.immediate` runs synchronously until its first suspension and resumes on the same
/// loop.
package final class EventLoopExecutor: TaskExecutor {
    package let eventLoop: any EventLoop

    package init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}

extension EventLoopExecutor {
    private static let ofLoops = LoopLocal { EventLoopExecutor($0) }

    /// The executor of the event loop that runs this code; `nil` on every other thread.
    package static var current: (any TaskExecutor)? { MultiThreadedEventLoopGroup.currentEventLoop.map(ofLoops.of) }
}
