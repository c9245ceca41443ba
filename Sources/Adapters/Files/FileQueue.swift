import DequeModule
import NIOPosix
import Synchronization

/// Runs calls that may block on the file system, one after another, on threads that are meant to block.
///
/// A call to a network file system can take minutes. It must hold neither an event loop nor a thread of Swift's
/// cooperative pool, of which there is one for each processor. A queue holds at most one thread.
package final class FileQueue: Sendable {
    private struct State {
        var isRunning = false
        var waiting: Deque<@Sendable () -> Void> = []
    }

    /// Shared by all queues. Not NIO's own pool: lookups of host names run there, and must not wait for files.
    private static let pool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    /// More calls are refused: the file system does not answer.
    private static let waitingMax = 64

    private let state = Mutex(State())

    package init() {}

    /// Runs `body` behind all calls before it.
    ///
    /// - Parameter timer: Returns when the result is no longer waited for. `body` still runs to its end.
    /// - Returns: `nil` if the timer returned first or too many calls wait.
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
        let (isTaken, begins) = state.withLock { state in
            guard state.waiting.count < Self.waitingMax else { return (false, false) }
            state.waiting.append(body)
            defer { state.isRunning = true }
            return (true, !state.isRunning)
        }
        if begins { Self.pool.submit { _ in self.runAll() } }
        return isTaken
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
