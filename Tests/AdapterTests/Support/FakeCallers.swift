import Adapters
import Domain
import Synchronization

/// An in-memory caller directory, keyed by token. Tests may change it at any time.
final class FakeCallers: CallerDirectory {
    private struct State {
        var callers: [SHA256Digest: Caller]
        var expires: [SHA256Digest: Timestamp] = [:]
        var waiters: [Int: (isOver: @Sendable (FakeCallers) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
            [:]
        var lastWaiter = 0
        var version = 0
    }

    private let state: Mutex<State>
    private let time: any TimeSource

    init(_ callers: [String: Caller], time: any TimeSource = SystemTime()) {
        self.time = time
        state = Mutex(
            State(callers: Dictionary(uniqueKeysWithValues: callers.map { (SHA256Digest(of: $0.key), $0.value) })))
    }

    func standing(of credential: CallerCredential) -> CallerStanding? {
        guard case .token(let digest) = credential else { return nil }
        return state.withLock { state in
            state.callers[digest].flatMap { caller in
                let expires = state.expires[digest]
                let isExpired = expires.map { $0 <= time.timestamp } ?? false
                return isExpired ? nil : CallerStanding(caller, expires: expires)
            }
        }
    }

    var version: Int { state.withLock { $0.version } }

    /// Replaces the caller of a token, or removes it.
    func set(_ token: String, to caller: Caller?, expires: Timestamp? = nil) {
        state.withLock { state in
            state.expires[SHA256Digest(of: token)] = expires
            state.callers[SHA256Digest(of: token)] = caller
            state.version += 1
        }
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
