import Synchronization

/// A task that waits for something a test expects: resumed once with a value, or ended by the cancellation of its task.
package final class PendingWait<Value: Sendable>: Sendable {
    private enum State {
        case new
        case waiting(CheckedContinuation<Value?, Never>)
        case ended
    }

    private let state = Mutex(State.new)

    /// Ends the wait with a value.
    ///
    /// - Returns: Whether the task took it; false if the wait had ended before.
    @discardableResult package func resume(returning value: Value) -> Bool {
        guard let continuation = end() else { return false }
        continuation.resume(returning: value)
        return true
    }

    /// Stores the continuation, or resumes it with nil if the task was cancelled before.
    fileprivate func begin(_ continuation: CheckedContinuation<Value?, Never>) -> Bool {
        let isNew = state.withLock { state in
            guard case .new = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !isNew { continuation.resume(returning: nil) }
        return isNew
    }

    fileprivate func cancel() { end()?.resume(returning: nil) }

    private func end() -> CheckedContinuation<Value?, Never>? {
        state.withLock { state in
            defer { state = .ended }
            guard case .waiting(let continuation) = state else { return nil }
            return continuation
        }
    }
}

/// Suspends the task until `register`, or code to which it passes the wait, resumes it.
///
/// A wait that lasts longer than `Waits.reportInterval` is printed with its place in the source, so that the log of a
/// run that hangs shows the cause.
///
/// - Parameters:
///   - event: The event that the task waits for, in a few words.
///   - register: Passes the wait to the code that resumes it. Called once, unless the task was cancelled before.
/// - Throws: `CancellationError` when the task is cancelled, for instance by the time limit of its test.
package func wait<Value: Sendable>(
    for event: @autoclosure () -> String, file: String = #fileID, line: Int = #line,
    _ register: (PendingWait<Value>) -> Void
) async throws(CancellationError) -> Value {
    let id = Waits.shared.add("\(event()) at \(file):\(line)")
    defer { Waits.shared.remove(id) }
    let pending = PendingWait<Value>()
    let value = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            if pending.begin(continuation) { register(pending) }
        }
    } onCancel: {
        pending.cancel()
    }
    guard let value else { throw CancellationError() }
    return value
}

extension Task where Failure == any Error {
    /// The value of the task, which is cancelled with the waiting task. So a test over its time limit ends, and
    /// everything it started ends too.
    package var joined: Success {
        get async throws {
            try await withTaskCancellationHandler {
                try await value
            } onCancel: {
                cancel()
            }
        }
    }
}

extension Task where Failure == Never {
    /// As above.
    package var joined: Success {
        get async {
            await withTaskCancellationHandler {
                await value
            } onCancel: {
                cancel()
            }
        }
    }
}
