import Synchronization

/// Keeps what is kept fresh: asks for all accounts again and again, on what is left of the source's rate, so that exports are
/// mostly told of what is there. While anybody else waits for a turn it asks for nothing.
package final class RefreshAccounts: Sendable {
    package struct Progress: Sendable, Equatable {
        package var rounds = 0

        /// Of the round under way, or the last one.
        package var accounts = 0
        package var done = 0
        package var failures = 0
        package var began: Timestamp?

        package init() {}
    }

    /// Asked for at a time: enough to use a rate of tens a second, and soon over when somebody else comes.
    private static let batch = 8

    /// How often it looks whether others still wait.
    private static let look = Duration.milliseconds(100)

    private let lists: AccountLists
    private let cache: BillingCache
    private let source: any ContactSource
    private let time: any TimeSource
    private let interval: Duration
    private let state = Mutex(Progress())

    /// - Parameter interval: From the beginning of one round to that of the next. What is older than half of it is asked for.
    package init(
        lists: AccountLists, cache: BillingCache, source: any ContactSource, time: any TimeSource, interval: Duration
    ) {
        self.lists = lists
        self.cache = cache
        self.source = source
        self.time = time
        self.interval = interval
    }

    package var progress: Progress { state.withLock { $0 } }

    /// Until it is cancelled.
    ///
    /// - Parameter masters: Those there are at each moment; `nil` for the only one.
    package func run(masters: @Sendable () -> [Name?]) async {
        while !Task.isCancelled {
            let start = time.now
            state.withLock { progress in
                progress.accounts = 0
                progress.done = 0
                progress.failures = 0
                progress.began = time.timestamp
            }
            for master in masters() { await refresh(master) }
            state.withLock { $0.rounds += 1 }
            try? await time.sleep(until: start + interval)
        }
    }

    private func refresh(_ master: Name?) async {
        guard let list = try? await lists.accounts(of: master, .all, ageMax: interval / 2) else {
            state.withLock { $0.failures += 1 }
            return
        }
        state.withLock { $0.accounts += list.count }
        var demand = CacheDemand()
        demand.ageMax = interval / 2
        var index = 0
        while index < list.count, !Task.isCancelled {
            var stale: [AccountID] = []
            var fresh = 0
            while index < list.count, stale.count < Self.batch, fresh < 1000 {
                let account = list[index]
                if cache.kept(account, under: master, demand, at: time.now) == nil {
                    stale.append(account)
                } else {
                    fresh += 1
                }
                index += 1
            }
            state.withLock { $0.done += fresh }
            while source.isPaced(under: master), !Task.isCancelled {
                try? await time.sleep(until: time.now + Self.look)
            }
            guard await ask(stale, master, demand) else { return }
        }
    }

    /// - Returns: Whether there is any use in going on with this master.
    private func ask(_ accounts: [AccountID], _ master: Name?, _ demand: CacheDemand) async -> Bool {
        await withTaskGroup(of: BillingFailure?.self) { group in
            for account in accounts {
                group.addTask { [cache] in
                    do throws(BillingFailure) {
                        _ = try await cache.answer(account, under: master, for: .bulk(patience: .seconds(30)), demand)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var goesOn = true
            for await failure in group {
                state.withLock { progress in
                    progress.done += 1
                    if failure != nil { progress.failures += 1 }
                }
                if let failure, failure.reach == .everything { goesOn = false }
            }
            return goesOn
        }
    }
}
