import Synchronization

/// Caches the account list of each master account. Concurrent requests for the same list share one listing.
package final class AccountLists: Sendable {
    package struct Rules: Sendable, Equatable {
        /// The maximum age of a cached list if the caller names none. Ten times the duration of the listing if that is
        /// longer, so that listings use at most a tenth of the rate.
        package var maxAge = Duration.seconds(300)

        /// The maximum number of pages of a list: ten million accounts at 300 a page.
        package var pagesMax = 33_334

        /// How long one page is retried.
        package var pageDeadline = Duration.seconds(60)

        package init() {}
    }

    package struct Snapshot: Sendable {
        package let list: AccountList

        /// When the listing began.
        let began: Moment

        /// How long the listing took.
        let took: Duration
    }

    private struct Key: Hashable {
        let master: Name?
        let filter: SubAccountFilter
    }

    /// Lists cached at a time, one for each master account and filter. The oldest is evicted first.
    private static let keptMax = 8

    /// The failure rate assumed for pages. A listing has few pages and needs all of them. So each page gets as many
    /// attempts as a source that fails half of its calls requires.
    private static let failureShare = FailureRate(0.5)

    private let directory: any SubAccountDirectory
    private let time: any TimeSource
    private let rules: Rules
    private let kept = Mutex<[Key: Snapshot]>([:])
    private let walks = RequestCoalescer<Key, Snapshot>()

    package init(directory: any SubAccountDirectory, time: any TimeSource, rules: Rules = Rules()) {
        self.directory = directory
        self.time = time
        self.rules = rules
    }

    /// The account list of a master account, cached or listed now.
    ///
    /// - Parameter maxAge: The maximum time since the listing began; `nil` for the default of the rules.
    /// - Throws: The errors of `SubAccountDirectory`; `accountListUnusable`.
    package func accounts(
        of master: Name?, _ filter: SubAccountFilter, maxAge: Duration? = nil
    ) async throws(BillingFailure) -> AccountList {
        let key = Key(master: master, filter: filter)
        if let snapshot = kept.withLock({ $0[key] }),
            time.now - snapshot.began <= maxAge ?? max(rules.maxAge, snapshot.took * 10)
        {
            return snapshot.list
        }
        return try await walks.join(key, .bulk) { [self] _ in await walk(key) }.list
    }

    package func removeAll() {
        kept.withLock { $0.removeAll() }
    }

    package func close() async {
        await walks.close()
    }

    private func walk(_ key: Key) async -> Result<Snapshot, BillingFailure> {
        let began = time.now
        var walk = AccountWalk(pagesMax: rules.pagesMax)
        let persistence = RetryLoop(time: time, deadline: rules.pageDeadline, share: Self.failureShare)
        while true {
            switch walk.step {
            case .found(let list):
                let snapshot = Snapshot(list: list, began: began, took: time.now - began)
                keep(snapshot, key)
                return .success(snapshot)
            case .fails(let problem): return .failure(.accountListUnusable(problem))
            case .ask(let token):
                let page = await persistence.attempt { [directory] isRetry async throws(BillingFailure) in
                    try await directory.page(of: key.master, key.filter, token: token, for: .bulk(isRetry: isRetry))
                }
                switch page {
                case .success(let page): walk.took(page)
                case .failure(.invalid) where token != nil: walk.tokenExpired()
                case .failure(let failure): return .failure(failure)
                }
            }
        }
    }

    private func keep(_ snapshot: Snapshot, _ key: Key) {
        kept.withLock { kept in
            kept[key] = snapshot
            while kept.count > Self.keptMax, let oldest = kept.min(by: { $0.value.began < $1.value.began }) {
                kept[oldest.key] = nil
            }
        }
    }
}
