package import Logging
package import Metrics
package import NIOCore
import ServiceLifecycle
import Synchronization

/// A value that is read from files, and read again when they change. While the files cannot be used, the last good value
/// stays in use.
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

    /// Reads the files, one reading after another, where that may block.
    private let queue = FileQueue()

    /// The stamps of the files when they were read last.
    private let stamps: Mutex<[PrivateFile.Stamp?]>
    private let state: Mutex<State>

    /// - Parameters:
    ///   - title: What it is, for the log: `credentials`.
    ///   - files: All that `read` reads.
    ///   - interval: How often to look where the system does not tell of changes.
    /// - Throws: What `read` throws, the first time.
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

    /// The value, and a number that grows with each new one.
    package var versioned: (value: Value, version: Int) { state.withLock { ($0.value, $0.version) } }

    /// Why the files as they are now are not in use, if they are not.
    package var problem: FileProblem? { state.withLock { $0.problem } }

    /// Reads the files again whenever they change, until the service shuts down.
    package func run() async throws {
        let watch = FileWatch(paths: files.map(\.path), interval: interval, eventLoop: eventLoop, logger: logger)
        await cancelWhenGracefulShutdown {
            await watch.run { await self.refresh() }
        }
    }

    /// Reads the files again if they may have changed: what was written before the call is in use after it.
    ///
    /// - Parameter limit: How long to wait for the file system at most; what it says later is used later.
    package func refresh(within limit: Duration? = nil) async {
        if let limit {
            await queue.run(within: { _ = try? await Task.sleep(for: limit) }, readAgain)
        } else {
            await queue.run(readAgain)
        }
    }

    /// Called by the queue alone, once at a time.
    private func readAgain() {
        // Before they are read: a write meanwhile is then seen the next time.
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
        // Compared outside the lock, which event loops take with each request: values can have megabytes.
        let isNew = self.value != value
        let (old, wasBroken, waiters) = state.withLock { state in
            let wasBroken = state.problem != nil
            state.problem = nil
            guard isNew else { return (state.value, wasBroken, [CheckedContinuation<Void, Never>]()) }
            let old = state.value
            state.value = value
            state.version += 1
            defer { state.waiters = [:] }
            return (old, wasBroken, Array(state.waiters.values))
        }
        // Not freed in the lock either.
        withExtendedLifetime(old) {}
        for waiter in waiters { waiter.resume() }
        if isNew {
            loaded.increment()
            logger.info("reloaded the \(title)")
        } else if wasBroken {
            logger.info("the \(title) can be read again, and are what they were")
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
            "the \(title) as they are now cannot be used: the last good ones stay in use",
            metadata: ["reason": "\(problem)"])
    }

    /// Returns once there is a newer value than that of the given number, or when the task is cancelled.
    package func change(since version: Int) async {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = state.withLock { state in
                    // The cancellation handler may have run before this; the task then knows.
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
