import Synchronization

/// Caches the account list of each master account. Concurrent requests for the same list share one listing.
package final class AccountListCache: Sendable {
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
    private static let listsMax = 8

    /// The failure rate assumed for pages. A listing has few pages and needs all of them. So each page gets as many
    /// attempts as a source that fails half of its calls requires.
    private static let assumedFailureRate = FailureRate(0.5)

    private let directory: any SubAccountDirectory
    private let time: any TimeSource
    private let rules: Rules
    private let cached = Mutex<[Key: Snapshot]>([:])
    private let listings = RequestCoalescer<Key, Snapshot>()

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
        if let snapshot = cached.withLock({ $0[key] }),
            time.now - snapshot.began <= maxAge ?? max(rules.maxAge, snapshot.took * 10)
        {
            return snapshot.list
        }
        return try await listings.join(key, .bulk) { [self] _ in await list(key) }.list
    }

    package func removeAll() {
        cached.withLock { $0.removeAll() }
    }

    package func close() async {
        await listings.close()
    }

    private func list(_ key: Key) async -> Result<Snapshot, BillingFailure> {
        let began = time.now
        var listing = AccountListing(pagesMax: rules.pagesMax)
        let retryLoop = RetryLoop(time: time, deadline: rules.pageDeadline, failureRate: Self.assumedFailureRate)
        while true {
            switch listing.step {
            case .complete(let list):
                let snapshot = Snapshot(list: list, began: began, took: time.now - began)
                store(snapshot, key)
                return .success(snapshot)
            case .failed(let problem): return .failure(.accountListUnusable(problem))
            case .fetch(let token):
                let page = await retryLoop.attempt { [directory] isRetry async throws(BillingFailure) in
                    try await directory.page(of: key.master, key.filter, token: token, for: .bulk(isRetry: isRetry))
                }
                switch page {
                case .success(let page): listing.add(page)
                case .failure(.invalid) where token != nil: listing.tokenExpired()
                case .failure(let failure): return .failure(failure)
                }
            }
        }
    }

    private func store(_ snapshot: Snapshot, _ key: Key) {
        cached.withLock { cached in
            cached[key] = snapshot
            while cached.count > Self.listsMax, let oldest = cached.min(by: { $0.value.began < $1.value.began }) {
                cached[oldest.key] = nil
            }
        }
    }
}
