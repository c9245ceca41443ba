package import Domain
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Runs an `AnswersStore` on its own thread. At shutdown the store writes the last changes.
package final class PageWriter: Service {
    private let store: Mutex<AnswersStore>
    private let pool: NIOThreadPool
    private let queue: FileQueue
    private let time: any TimeSource
    private let lastChanges: @Sendable () async -> [AccountID: Int64]?
    private let lastFailure = Mutex<String?>(nil)

    /// How long the shutdown waits for the last changes to be written.
    private static let closeTimeMax = Duration.seconds(5)

    /// How long it waits for a disk that does not respond.
    private static let closeWaitMax = Duration.seconds(8)

    /// How long the start waits for the account lists.
    private static let listsWaitMax = Duration.seconds(2)

    /// - Parameter lastChanges: The last changes of accounts, for `AnswersStore.restore`.
    package init(
        _ store: sending AnswersStore, time: any TimeSource,
        lastChanges: @escaping @Sendable () async -> [AccountID: Int64]?
    ) {
        self.store = Mutex(store)
        self.time = time
        self.lastChanges = lastChanges
        pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        queue = FileQueue(on: pool)
    }

    deinit { pool.shutdownGracefully { _ in } }

    /// Why the answers file fails; nil if it does not.
    package var failure: String? { lastFailure.withLock { $0 } }

    /// Restores the account lists, unless that takes too long or another process stores its answers. Called before the first
    /// request: if a list from Zoom came first, it would begin a new history, and the moments of all readers of changes would
    /// be unknown. `run` restores the answers.
    package func restoreLists() async {
        let waitEnd = time.now + Self.listsWaitMax
        let timer: @Sendable () async -> Void = { [time] in _ = try? await time.sleep(until: waitEnd) }
        guard await call(within: timer, { $0.step() }) == .restore else { return }
        let changes = await lastChanges()
        _ = await call(within: timer) { $0.restore(changedAt: changes) }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var next = await self.call { $0.step() }
                if next == .restore {
                    let changes = await self.lastChanges()
                    next = await self.call { $0.restore(changedAt: changes) }
                }
                guard case .wait(let moment)? = next else { continue }
                try? await self.time.sleep(until: moment)
            }
        }
        await close()
    }

    /// - Returns: nil if the task was cancelled. The call then still runs to its end.
    private func call(
        _ body: @escaping @Sendable (AnswersStore) -> AnswersStore.Step
    ) async -> AnswersStore.Step? {
        let (cancelled, cancel) = AsyncStream<Never>.makeStream()
        return await withTaskCancellationHandler {
            await call(within: { for await _ in cancelled {} }, body)
        } onCancel: {
            cancel.finish()
        }
    }

    /// - Parameter timer: Ends the wait for the result. The call still runs to its end.
    private func call(
        within timer: @escaping @Sendable () async -> Void,
        _ body: @escaping @Sendable (AnswersStore) -> AnswersStore.Step
    ) async -> AnswersStore.Step? {
        await queue.run(within: timer) {
            let (next, failure) = self.store.withLock { (body($0), $0.failure) }
            self.lastFailure.withLock { $0 = failure }
            return next
        }
    }

    private func close() async {
        let deadline = time.now + Self.closeTimeMax
        let waitEnd = time.now + Self.closeWaitMax
        // The task may be cancelled: it must wait nevertheless.
        _ = await queue.run(within: { [time] in _ = try? await time.sleep(until: waitEnd) }) {
            self.store.withLock { $0.close(deadline: deadline) }
        }
    }
}
