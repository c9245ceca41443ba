import Synchronization

/// Refreshes the cached answers of all accounts again and again, so that exports are mostly cache hits. Uses the part
/// of the source's rate that other requests leave, and pauses while they wait for a permit.
package final class RefreshAccounts: Sendable {
    package struct Progress: Sendable, Equatable {
        package var rounds = 0

        /// Of the current round, or of the last one.
        package var accounts = 0
        package var done = 0
        package var failures = 0
        package var began: Timestamp?

        package init() {}
    }

    /// Lookups in flight at a time: enough to use a rate of tens per second, and done soon when other requests arrive.
    private static let batchSize = 8

    /// How long one account is retried. After that it is looked up again in the next round.
    private static let accountDeadline = Duration.seconds(30)

    /// Accounts that wait for a retry. At this number no further accounts are looked up.
    private static let retriesMax = 256

    /// How often to check whether other requests still wait.
    private static let pollInterval = Duration.milliseconds(100)

    private let lists: AccountListCache
    private let cache: BillingCache
    private let source: any BillingSource
    private let time: any TimeSource
    private let interval: Duration
    private let state = Mutex(Progress())

    /// - Parameter interval: From the start of one round to the start of the next. Answers older than half of it are
    ///   refreshed.
    package init(
        lists: AccountListCache, cache: BillingCache, source: any BillingSource, time: any TimeSource,
        interval: Duration
    ) {
        self.lists = lists
        self.cache = cache
        self.source = source
        self.time = time
        self.interval = interval
    }

    package var progress: Progress { state.withLock { $0 } }

    /// Runs until the task is cancelled.
    ///
    /// - Parameter masters: Returns the current master accounts; `nil` is the only one.
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
        guard let list = try? await lists.accounts(of: master, .all, maxAge: interval / 2) else {
            state.withLock { $0.failures += 1 }
            return
        }
        state.withLock { $0.accounts += list.count }
        var directives = CacheDirectives()
        directives.maxAge = interval / 2
        var index = 0
        var retries: [Lookup] = []
        var failureRate = FailureRate()
        while !Task.isCancelled {
            var batch: [Lookup] = []
            var fresh = 0
            let now = time.now
            while batch.count < Self.batchSize, let due = retries.firstIndex(where: { $0.next <= now }) {
                batch.append(retries.remove(at: due))
            }
            while index < list.count, retries.count < Self.retriesMax, batch.count < Self.batchSize, fresh < 1000 {
                let account = list[index]
                let read = AccountRead.billingInformation(of: account)
                if !cache.isCached(read, under: master, directives: directives, at: now) {
                    batch.append(Lookup(account: account, started: now, deadline: Self.accountDeadline))
                } else {
                    fresh += 1
                }
                index += 1
            }
            state.withLock { $0.done += fresh }
            if batch.isEmpty, fresh == 0 {
                guard let next = retries.lazy.map(\.next).min() else { return }
                try? await time.sleep(until: next)
                continue
            }
            while source.hasQueuedRequests(for: .getBillingInformation, under: master), !Task.isCancelled {
                try? await time.sleep(until: time.now + Self.pollInterval)
            }
            var random = SystemRandomNumberGenerator()
            var canContinue = true
            for (lookup, failure) in await lookUp(batch, master, directives) {
                if lookup.retry.failures == 0 { failureRate.firstAttempt(failed: failure?.traits.reach == .moment) }
                if let failure {
                    if failure.traits.reach == .everything { canContinue = false }
                    var lookup = lookup
                    switch lookup.retry.decide(failure, failureRate: failureRate, at: time.now, using: &random) {
                    case .retry(let moment), .pause(let moment):
                        lookup.next = moment
                        retries.append(lookup)
                        continue
                    case .giveUp: break
                    }
                }
                state.withLock { progress in
                    progress.done += 1
                    if failure != nil { progress.failures += 1 }
                }
            }
            guard canContinue else { return }
        }
    }

    private struct Lookup: Sendable {
        let account: AccountID
        var retry: BulkRetry

        /// When the next attempt is due.
        var next: Moment

        init(account: AccountID, started: Moment, deadline: Duration) {
            self.account = account
            retry = BulkRetry(deadline: started + deadline)
            next = started
        }
    }

    /// Makes one attempt for each lookup.
    private func lookUp(
        _ lookups: [Lookup], _ master: Name?, _ directives: CacheDirectives
    ) async -> [(Lookup, BillingFailure?)] {
        await withTaskGroup(of: (Lookup, BillingFailure?).self) { group in
            for lookup in lookups {
                group.addTask { [cache] in
                    let purpose = Purpose.bulk(isRetry: lookup.retry.failures > 0)
                    do throws(BillingFailure) {
                        _ = try await cache.entry(
                            for: .billingInformation(of: lookup.account), under: master, for: purpose,
                            directives: directives)
                        return (lookup, nil)
                    } catch {
                        return (lookup, error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }
}
