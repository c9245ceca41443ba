import DequeModule
import NIOPosix
import Synchronization

/// Runs blocking calls one after another on a thread pool. It uses at most one thread.
final class SerialCalls: Sendable {
    struct Call: Sendable {
        let run: @Sendable () -> Void

        /// Called instead of `run` if the call is cancelled while it waits.
        var cancel: @Sendable () -> Void = {}
    }

    private struct State {
        var isRunning = false
        var lastID = 0
        var waiting: Deque<(id: Int, call: Call)> = []
    }

    private let pool: NIOThreadPool
    private let state = Mutex(State())

    /// - Parameter pool: A running pool.
    init(on pool: NIOThreadPool) {
        self.pool = pool
    }

    /// An id with which a call can be cancelled.
    func nextID() -> Int {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    /// Runs a call after all earlier ones.
    ///
    /// - Returns: Whether the call is queued; `false` if `waitingMax` calls wait.
    @discardableResult
    func enqueue(_ call: Call, id: Int, waitingMax: Int = .max) -> Bool {
        let (isQueued, begins) = state.withLock { state in
            guard state.waiting.count < waitingMax else { return (false, false) }
            state.waiting.append((id, call))
            defer { state.isRunning = true }
            return (true, !state.isRunning)
        }
        if begins { pool.submit { _ in self.runAll() } }
        return isQueued
    }

    /// Cancels a call that still waits.
    func cancel(_ id: Int) {
        let cancelled = state.withLock { state in
            state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).call }
        }
        cancelled?.cancel()
    }

    private func runAll() {
        while true {
            let next = state.withLock { state in
                let next = state.waiting.popFirst()
                if next == nil { state.isRunning = false }
                return next
            }
            guard let next else { return }
            next.call.run()
        }
    }
}
