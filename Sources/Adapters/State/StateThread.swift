import DequeModule
import NIOPosix
import Synchronization

/// Runs blocking calls one after another on a thread of its own, so that a slow disk blocks neither an event loop nor a
/// thread of Swift's cooperative pool.
final class StateThread: Sendable {
    enum Ended<Value: Sendable>: Sendable {
        case value(Value)
        /// The task was cancelled before the call began.
        case cancelled
        /// Too many calls wait.
        case refused
    }

    private struct Call: Sendable {
        let id: Int
        let run: @Sendable () -> Void
        let cancel: @Sendable () -> Void
    }

    private struct State {
        var lastID = 0
        var isRunning = false
        var waiting: Deque<Call> = []
    }

    /// More calls than the service serves requests at a time wait only if the disk does not respond.
    private let waitingMax: Int
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let state = Mutex(State())

    init(waitingMax: Int = 4096) {
        self.waitingMax = waitingMax
        pool.start()
    }

    deinit { pool.shutdownGracefully { _ in } }

    /// Runs `body` after all earlier calls, even if the task is cancelled or many calls wait.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let call = Call(id: nextID(), run: { continuation.resume(returning: body()) }, cancel: {})
            enqueue(call, isLimited: false)
        }
    }

    /// Runs `body` after all earlier calls, unless the task is cancelled before it begins.
    func runUnlessCancelled<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Ended<Value> {
        let id = nextID()
        return await withTaskCancellationHandler {
            if Task.isCancelled { return .cancelled }
            return await withCheckedContinuation { continuation in
                let call = Call(
                    id: id, run: { continuation.resume(returning: .value(body())) },
                    cancel: { continuation.resume(returning: .cancelled) })
                guard enqueue(call, isLimited: true) else { return continuation.resume(returning: .refused) }
                // The handler may have run before the call was in the queue.
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    private func nextID() -> Int {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    @discardableResult
    private func enqueue(_ call: Call, isLimited: Bool) -> Bool {
        let (isQueued, begins) = state.withLock { state in
            guard !isLimited || state.waiting.count < waitingMax else { return (false, false) }
            state.waiting.append(call)
            defer { state.isRunning = true }
            return (true, !state.isRunning)
        }
        if begins { pool.submit { _ in self.runAll() } }
        return isQueued
    }

    private func cancel(_ id: Int) {
        let call = state.withLock { state in
            state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0) }
        }
        call?.cancel()
    }

    private func runAll() {
        while true {
            let next = state.withLock { state in
                let next = state.waiting.popFirst()
                if next == nil { state.isRunning = false }
                return next
            }
            guard let next else { return }
            next.run()
        }
    }
}
