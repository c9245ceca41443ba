package import NIOCore

/// An event loop as the executor of tasks, so that a handler runs on the thread its connection lives on.
///
/// A task started there by `Task.immediate` runs inside the read event until it first waits; when what it waits for
/// comes, it goes on on the same loop.
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
