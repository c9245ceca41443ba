package import Logging
package import Metrics
package import NIOCore
import ServiceLifecycle
import Synchronization

/// A value that is read from files and reloaded when they change. If a reload fails, the previous value stays in use.
package final class ReloadedFile<Value: Sendable & Equatable>: Service {
    private struct State {
        var value: Value
        var version = 0
        var problem: FileProblem?
        var lastWaiter = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let title: String
    private let files: [PrivateFile]
    private let readValue: @Sendable () throws(FileProblem) -> Value
    private let interval: TimeAmount
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let loaded: Counter
    private let refused: Counter

    /// Runs the blocking reads one after another.
    private let queue = FileQueue()

    /// The stamps of the files at the last read.
    private let stamps: Mutex<[PrivateFile.Stamp?]>
    private let state: Mutex<State>

    /// `State.version`, for readers without the lock.
    private let publishedVersion = Atomic(0)

    /// - Parameters:
    ///   - title: Names the value in the log, such as `credentials`.
    ///   - files: All files that `read` reads.
    ///   - interval: How often to check for changes without an inotify event.
    /// - Throws: The error of the first `read`.
    package init(
        _ title: String, files: [PrivateFile], interval: TimeAmount = .milliseconds(500), eventLoop: any EventLoop,
        metrics: any MetricsFactory = .none, logger: Logger, read: @escaping @Sendable () throws(FileProblem) -> Value
    ) throws(FileProblem) {
        self.title = title
        self.files = files
        self.interval = interval
        self.eventLoop = eventLoop
        self.logger = logger
        loaded = Counter(.reloads, [("file", title), ("outcome", "loaded")], in: metrics)
        refused = Counter(.reloads, [("file", title), ("outcome", "refused")], in: metrics)
        readValue = read
        stamps = Mutex(files.map(\.stamp))
        state = Mutex(State(value: try read()))
    }

    package var value: Value { state.withLock { $0.value } }

    /// A version that grows with each new value. A value that is read afterwards is at least as new.
    package var version: Int { publishedVersion.load(ordering: .acquiring) }

    /// The value, and a version that grows with each new value.
    package var versioned: (value: Value, version: Int) { state.withLock { ($0.value, $0.version) } }

    /// Why the last reload failed; `nil` if it succeeded.
    package var problem: FileProblem? { state.withLock { $0.problem } }

    /// Reloads the files whenever they change, until graceful shutdown.
    package func run() async throws {
        let watch = FileWatch(paths: files.map(\.path), interval: interval, eventLoop: eventLoop, logger: logger)
        await cancelWhenGracefulShutdown {
            await watch.run { await self.refresh() }
        }
    }

    /// Reloads the files if they may have changed. Everything written before the call is in use after it.
    ///
    /// - Parameter limit: Maximum wait for the file system. A reload that takes longer still completes.
    package func refresh(within limit: Duration? = nil) async {
        if let limit {
            await queue.run(within: { _ = try? await Task.sleep(for: limit) }, readAgain)
        } else {
            await queue.run(readAgain)
        }
    }

    /// Only called on the queue, so that calls do not overlap.
    private func readAgain() {
        // Taken before reading, so that the next call detects a write during the read.
        let now = files.map(\.stamp)
        let mayDiffer = stamps.withLock { stamps in
            guard now != stamps || !now.allSatisfy({ $0?.isSettled ?? true }) else { return false }
            stamps = now
            return true
        }
        guard mayDiffer else { return }
        do throws(FileProblem) {
            publish(try readValue())
        } catch {
            report(error)
        }
    }

    private func publish(_ value: Value) {
        // Compared outside the lock, which event loops take for each request. A value can have megabytes.
        let isNew = self.value != value
        let (old, wasBroken, waiters) = state.withLock { state in
            let wasBroken = state.problem != nil
            state.problem = nil
            guard isNew else { return (state.value, wasBroken, [CheckedContinuation<Void, Never>]()) }
            let old = state.value
            state.value = value
            state.version += 1
            publishedVersion.store(state.version, ordering: .releasing)
            defer { state.waiters = [:] }
            return (old, wasBroken, Array(state.waiters.values))
        }
        // Also freed outside the lock.
        withExtendedLifetime(old) {}
        for waiter in waiters { waiter.resume() }
        if isNew {
            loaded.increment()
            logger.info("reloaded the \(title)")
        } else if wasBroken {
            logger.info("the \(title) can be read again and have not changed")
        }
    }

    private func report(_ problem: FileProblem) {
        let isNew = state.withLock { state in
            defer { state.problem = problem }
            return state.problem != problem
        }
        guard isNew else { return }
        refused.increment()
        logger.warning(
            "cannot reload the \(title): the previous version stays in use",
            metadata: ["reason": "\(problem)"])
    }

    /// Returns when there is a newer value than that version, or when the task is cancelled.
    package func change(since version: Int) async {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = state.withLock { state in
                    // If the cancellation handler ran before this, the task is already cancelled.
                    guard state.version == version, !Task.isCancelled else { return true }
                    state.waiters[id] = waiter
                    return false
                }
                if isOver { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}
