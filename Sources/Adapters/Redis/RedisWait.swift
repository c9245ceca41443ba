import Synchronization

/// A result that one task waits for. The first result counts; later ones are dropped.
final class RedisWait<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case resolved(Value)
    }

    private let state = Mutex(State.empty)

    /// nil before there is a result.
    var result: Value? { state.withLock { if case .resolved(let value) = $0 { value } else { nil } } }

    /// - Returns: Whether this is the first result.
    @discardableResult func resolve(_ value: Value) -> Bool {
        let (isFirst, continuation): (Bool, CheckedContinuation<Value, Never>?) = state.withLock { state in
            switch state {
            case .empty:
                state = .resolved(value)
                return (true, nil)
            case .waiting(let continuation):
                state = .resolved(value)
                return (true, continuation)
            case .resolved: return (false, nil)
            }
        }
        continuation?.resume(returning: value)
        return isFirst
    }

    /// The result. Called once.
    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value: Value? = state.withLock { state in
                switch state {
                case .empty:
                    state = .waiting(continuation)
                    return nil
                case .resolved(let value): return value
                case .waiting: preconditionFailure("one task waits for a result")
                }
            }
            if let value { continuation.resume(returning: value) }
        }
    }

    /// The result; `cancelled` as soon as the task is cancelled.
    func value(orWhenCancelled cancelled: Value) async -> Value {
        await withTaskCancellationHandler {
            await value()
        } onCancel: {
            resolve(cancelled)
        }
    }
}
