import NIOPosix
import Synchronization

/// Runs blocking file system calls one after another, on threads that may block.
///
/// A call to a network file system can take minutes. It must block neither an event loop nor a thread of Swift's
/// cooperative pool, which has one thread for each processor. A queue uses at most one thread.
package final class FileQueue: Sendable {
    /// Shared by all queues. Separate from NIO's pool, so that DNS lookups do not wait for files.
    private static let pool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    /// Further calls are refused, since the file system does not respond.
    private static let waitingMax = 64

    private let calls: SerialCalls

    package init() {
        calls = SerialCalls(on: Self.pool)
    }

    /// - Parameter pool: A running pool.
    init(on pool: NIOThreadPool) {
        calls = SerialCalls(on: pool)
    }

    /// Runs `body` after all earlier calls.
    ///
    /// - Parameter timer: Ends the wait for the result when it returns. `body` still runs to its end.
    /// - Returns: `nil` if the timer returned first or the queue is full.
    package func run<Value: Sendable>(
        within timer: (@Sendable () async -> Void)? = nil, _ body: @escaping @Sendable () -> Value
    ) async -> Value? {
        let first = FirstResult<Value>()
        let timing = timer.map { timer in
            Task {
                await timer()
                first.finish(nil)
            }
        }
        defer { timing?.cancel() }
        return await withCheckedContinuation { continuation in
            first.wait(continuation)
            let call = SerialCalls.Call(run: { first.finish(body()) })
            if !calls.enqueue(call, id: calls.nextID(), waitingMax: Self.waitingMax) { first.finish(nil) }
        }
    }
}

/// Resumes a continuation with the first of several results.
private final class FirstResult<Value: Sendable>: Sendable {
    private enum State {
        case created
        case waiting(CheckedContinuation<Value?, Never>)
        case finishedEarly(Value?)
        case over
    }

    private let state = Mutex(State.created)

    func wait(_ continuation: CheckedContinuation<Value?, Never>) {
        let early: Value?? = state.withLock { state in
            if case .finishedEarly(let value) = state {
                state = .over
                return .some(value)
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    func finish(_ value: Value?) {
        let continuation: CheckedContinuation<Value?, Never>? = state.withLock { state in
            switch state {
            case .created:
                state = .finishedEarly(value)
                return nil
            case .waiting(let continuation):
                state = .over
                return continuation
            case .finishedEarly, .over: return nil
            }
        }
        continuation?.resume(returning: value)
    }
}
