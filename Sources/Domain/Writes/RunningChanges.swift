import Synchronization

/// The changes that run now. They continue when their callers go away, so a shutdown waits for them.
final class RunningChanges: Sendable {
    private struct State {
        var count = 0
        var isClosed = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }

    /// Starts a change, which is not cancelled with the current task.
    ///
    /// - Returns: `nil` after `close`.
    func start<Value: Sendable>(_ change: @escaping @Sendable () async -> Value) -> Task<Value, Never>? {
        let isOpen = state.withLock { state in
            guard !state.isClosed else { return false }
            state.count += 1
            return true
        }
        guard isOpen else { return nil }
        return Task {
            let value = await change()
            ended()
            return value
        }
    }

    private func ended() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.count -= 1
            guard state.count == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Refuses new changes, and waits until the running ones have ended.
    func close() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                guard state.count > 0 else { return true }
                state.waiters.append(continuation)
                return false
            }
            if isIdle { continuation.resume() }
        }
    }
}
