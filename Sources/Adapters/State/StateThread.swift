import NIOPosix

/// Runs blocking calls one after another on a separate thread. A slow disk then blocks no event loop, and no thread of
/// Swift's cooperative pool.
final class StateThread: Sendable {
    enum Ended<Value: Sendable>: Sendable {
        case value(Value)
        /// The task was cancelled before the call began.
        case cancelled
        /// Too many calls wait.
        case refused
    }

    /// More calls than the service serves requests at a time wait only if the disk does not respond.
    private let waitingMax: Int
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let calls: SerialCalls

    init(waitingMax: Int = 4096) {
        self.waitingMax = waitingMax
        calls = SerialCalls(on: pool)
        pool.start()
    }

    deinit { pool.shutdownGracefully { _ in } }

    /// Runs `body` after all earlier calls, even if the task is cancelled or many calls wait.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            calls.enqueue(SerialCalls.Call(run: { continuation.resume(returning: body()) }), id: calls.nextID())
        }
    }

    /// Runs `body` after all earlier calls, unless the task is cancelled before it begins.
    func runUnlessCancelled<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Ended<Value> {
        let id = calls.nextID()
        return await withTaskCancellationHandler {
            if Task.isCancelled { return .cancelled }
            return await withCheckedContinuation { continuation in
                let call = SerialCalls.Call(
                    run: { continuation.resume(returning: .value(body())) },
                    cancel: { continuation.resume(returning: .cancelled) })
                guard calls.enqueue(call, id: id, waitingMax: waitingMax) else {
                    return continuation.resume(returning: .refused)
                }
                // The handler may have run before the call was in the queue.
                if Task.isCancelled { calls.cancel(id) }
            }
        } onCancel: {
            calls.cancel(id)
        }
    }
}
