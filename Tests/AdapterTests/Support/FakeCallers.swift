import Adapters
import Domain
import Synchronization

/// An in-memory caller directory, keyed by token. Tests may change it at any time.
final class FakeCallers: CallerDirectory {
    private struct State {
        var callers: [SHA256Digest: Caller]
        var waiters: [Int: (isOver: @Sendable (FakeCallers) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
            [:]
        var lastWaiter = 0
    }

    private let state: Mutex<State>

    init(_ callers: [String: Caller]) {
        state = Mutex(
            State(callers: Dictionary(uniqueKeysWithValues: callers.map { (SHA256Digest(of: $0.key), $0.value) })))
    }

    func caller(for credential: CallerCredential) -> Caller? {
        guard case .token(let digest) = credential else { return nil }
        return state.withLock { $0.callers[digest] }
    }

    /// Replaces the caller of a token, or removes it.
    func set(_ token: String, to caller: Caller?) {
        state.withLock { $0.callers[SHA256Digest(of: token)] = caller }
        let waiters = state.withLock { $0.waiters }
        for (id, waiter) in waiters where waiter.isOver(self) {
            state.withLock { _ = $0.waiters.removeValue(forKey: id) }
            waiter.continuation.resume()
        }
    }

    func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        let isOver = { @Sendable (callers: FakeCallers) in
            !(callers.caller(for: credential)?.mayContinueExport(startedAs: caller) ?? false)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isLate = Task.isCancelled || isOver(self)
                if isLate { return continuation.resume() }
                state.withLock { $0.waiters[id] = (isOver, continuation) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume()
        }
    }
}
