import Synchronization

/// Caches the account list of each master account, with the records of the accounts while they fit a limit. Concurrent
/// requests for the same list share one listing.
package final class AccountListCache: Sendable {
    package struct Rules: Sendable, Equatable {
        /// The maximum age of a cached list if the caller names none. Ten times the duration of the listing if that is
        /// longer, so that listings use at most a tenth of the rate.
        package var maxAge = Duration.seconds(300)

        /// The maximum number of pages of a list: ten million accounts at 300 a page.
        package var pagesMax = 33_334

        /// How long one page is retried.
        package var pageDeadline = Duration.seconds(60)

        /// The maximum size of the records of all cached lists together. A listing under way needs as much again.
        package var recordBytesMax = 64 << 20

        package init() {}
    }

    private struct Key: Hashable {
        let master: Name?
        let filter: SubAccountFilter

        /// The list contains only these accounts; `nil` for all accounts.
        let chosen: AllowList?

        static func == (left: Key, right: Key) -> Bool {
            left.master == right.master && left.filter == right.filter && left.chosen === right.chosen
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(master)
            hasher.combine(filter)
            hasher.combine(chosen.map { ObjectIdentifier($0) })
        }
    }

    private struct State {
        var lists: [Key: AccountListSnapshot] = [:]

        /// The number of calls of `removeAll`. A listing that was under way then is not cached.
        var removals = 0
    }

    /// Lists cached at a time, one for each master account and filter. The oldest is evicted first. The lists of chosen
    /// accounts are counted apart, since there may be one for each caller.
    private static let listsMax = 8
    private static let chosenListsMax = 64

    /// The failure rate assumed for pages. A listing has few pages and needs all of them. So each page gets as many
    /// attempts as a source that fails half of its calls requires.
    private static let assumedFailureRate = FailureRate(0.5)

    private let directory: any SubAccountDirectory
    private let time: any TimeSource
    private let rules: Rules
    private let state = Mutex(State())
    private let listings = RequestCoalescer<Key, AccountListSnapshot>()

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
        let key = Key(master: master, filter: filter, chosen: nil)
        var directives = CacheDirectives()
        directives.maxAge = maxAge
        // The age that the caller permits counts, even if the list is older than the rules permit.
        if maxAge != nil { directives.maxStale = maxAge }
        if let snapshot = cached(key, directives, at: time.now) { return snapshot.list }
        return try await listings.join(key, .bulk) { [self] _ in await list(key) }.list
    }

    /// The cached account list, if the directives permit it. Does not wait.
    ///
    /// - Parameter chosen: Lists only these accounts; `nil` for all accounts.
    package func cached(
        of master: Name?, _ filter: SubAccountFilter, chosen: AllowList? = nil, directives: CacheDirectives,
        at now: Moment
    ) -> AccountListSnapshot? {
        cached(Key(master: master, filter: filter, chosen: chosen), directives, at: now)
    }

    /// The account list, cached or listed now. The listing continues after its last waiter has left, so that a later
    /// request finds the list: listing a million accounts takes longer than most clients wait.
    ///
    /// - Parameter chosen: Lists only these accounts; `nil` for all accounts.
    /// - Throws: The errors of `SubAccountDirectory`; `accountListUnusable`.
    package func snapshot(
        of master: Name?, _ filter: SubAccountFilter, chosen: AllowList? = nil, directives: CacheDirectives
    ) async throws(BillingFailure) -> AccountListSnapshot {
        let key = Key(master: master, filter: filter, chosen: chosen)
        if let snapshot = cached(key, directives, at: time.now) { return snapshot }
        return try await listings.join(key, .bulk, survivesWithoutWaiters: true) { [self] _ in await list(key) }
    }

    private func cached(_ key: Key, _ directives: CacheDirectives, at now: Moment) -> AccountListSnapshot? {
        guard !directives.noCache, let snapshot = state.withLock({ $0.lists[key] }) else { return nil }
        let age = snapshot.age(at: now)
        if let maxAge = directives.maxAge, age > maxAge { return nil }
        let lifetime = lifetime(of: snapshot)
        if let minFresh = directives.minFresh, age + minFresh > lifetime { return nil }
        return age <= lifetime + (directives.maxStale ?? .zero) ? snapshot : nil
    }

    /// How long a list is fresh.
    package func lifetime(of snapshot: AccountListSnapshot) -> Duration { max(rules.maxAge, snapshot.took * 10) }

    package func removeAll() {
        let released = state.withLock { state in
            defer { state = State(removals: state.removals + 1) }
            return state.lists
        }
        // Freed without the lock.
        _ = consume released
    }

    package func close() async {
        await listings.close()
    }

    private func list(_ key: Key) async -> Result<AccountListSnapshot, BillingFailure> {
        let (began, asOf) = (time.now, time.timestamp)
        let removals = state.withLock { $0.removals }
        var listing = AccountListing(
            pagesMax: rules.pagesMax, recordBytesMax: rules.recordBytesMax, chosen: key.chosen)
        let retryLoop = RetryLoop(time: time, deadline: rules.pageDeadline, failureRate: Self.assumedFailureRate)
        while true {
            switch listing.step {
            case .complete(let list, let records):
                let snapshot = AccountListSnapshot(
                    list: list, records: records, began: began, asOf: asOf, took: time.now - began)
                store(snapshot, key, removals: removals)
                return .success(snapshot)
            case .failed(let problem): return .failure(.accountListUnusable(problem))
            case .fetch(let token):
                let request = SubAccountPageRequest(token.map { .token($0) } ?? .number(1), filter: key.filter)
                let page = await retryLoop.attempt { [directory] isRetry async throws(BillingFailure) in
                    try await directory.page(of: key.master, request, for: .bulk(isRetry: isRetry))
                }
                switch page {
                case .success(let page): listing.add(page)
                case .failure(.invalid) where token != nil: listing.tokenExpired()
                case .failure(let failure): return .failure(failure)
                }
            }
        }
    }

    /// - Parameter removals: The number of calls of `removeAll` when the listing began.
    private func store(_ snapshot: AccountListSnapshot, _ key: Key, removals: Int) {
        let released = state.withLock { state -> [AccountListSnapshot] in
            guard removals == state.removals else { return [] }
            var released: [AccountListSnapshot] = []
            if let old = state.lists.updateValue(snapshot, forKey: key) { released.append(old) }
            let others = state.lists.filter { $0.key != key }.sorted { $0.value.began < $1.value.began }
            let alike = others.filter { ($0.key.chosen == nil) == (key.chosen == nil) }
            let excess = alike.count + 1 - (key.chosen == nil ? Self.listsMax : Self.chosenListsMax)
            for (oldest, list) in alike.prefix(max(excess, 0)) {
                state.lists[oldest] = nil
                released.append(list)
            }
            var bytes = state.lists.values.reduce(0) { $0 + ($1.records?.bytes ?? 0) }
            for (oldest, list) in others where bytes > rules.recordBytesMax {
                guard let records = state.lists[oldest]?.records else { continue }
                bytes -= records.bytes
                // A list of chosen accounts is used for its records only.
                state.lists[oldest] = oldest.chosen == nil ? list.withoutRecords() : nil
                released.append(list)
            }
            return released
        }
        // Freed without the lock.
        _ = consume released
    }
}
