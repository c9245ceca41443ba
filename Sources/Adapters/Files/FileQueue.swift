import DequeModule
import NIOPosix
import Synchronization

/// Runs blocking file system calls one after another, on threads that may block.
///
/// A call to a network file system can take minutes. It must block neither an event loop nor a thread of Swift's
/// cooperative pool, which has one thread for each processor. A queue uses at most one thread.
package final class FileQueue: Sendable {
    private struct State {
        var isRunning = false
        var waiting: Deque<@Sendable () -> Void> = []
    }

    /// Shared by all queues. Separate from NIO's pool, so that DNS lookups do not wait for files.
    private static let pool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    /// Further calls are refused, since the file system does not respond.
    private static let waitingMax = 64

    private let state = Mutex(State())

    package init() {}

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
            if !enqueue({ first.finish(body()) }) { first.finish(nil) }
        }
    }

    private func enqueue(_ body: @escaping @Sendable () -> Void) -> Bool {
        let (isQueued, begins) = state.withLock { state in
            guard state.waiting.count < Self.waitingMax else { return (false, false) }
            state.waiting.append(body)
            defer { state.isRunning = true }
            return (true, !state.isRunning)
        }
        if begins { Self.pool.submit { _ in self.runAll() } }
        return isQueued
    }

    private func runAll() {
        while true {
            let next = state.withLock { state in
                let next = state.waiting.popFirst()
                if next == nil { state.isRunning = false }
                return next
            }
            guard let next else { return }
            next()
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
