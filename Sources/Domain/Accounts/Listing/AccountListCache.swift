import Synchronization

/// Caches the account list of each master account, with the records of the accounts while they fit a limit. Concurrent
/// requests for the same list share one listing, also those of other replicas if there is a store for their lists.
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

    /// A listing under way.
    private struct Running {
        let listing: SharedListing
        let task: Task<Void, Never>

        /// The requests that wait for the list or read its accounts. When the last one leaves, the listing is cancelled.
        var participants = 0

        /// The listing continues after the last participant has left.
        var survivesWithoutParticipants = false

        /// False if the cached lists were removed after the listing had begun.
        var isCacheable = true

        /// What the participants permit. A list of another replica must be permitted by all.
        var directives: [CacheDirectives] = []

        /// A participant reads the accounts as they arrive, and not only when the list is complete.
        var isReadOnArrival = false

        func permits(_ times: SharedAccountList.Times, _ rules: Rules) -> Bool {
            directives.allSatisfy { rules.permits(times, $0) }
        }
    }

    private struct State {
        var lists: [Key: AccountListSnapshot] = [:]
        var running: [Key: Running] = [:]
        var isClosed = false
    }

    /// Lists cached at a time, one for each master account and filter. The oldest is evicted first. The lists of chosen
    /// accounts are counted apart, since there may be one for each caller.
    private static let listsMax = 8
    private static let chosenListsMax = 64

    /// The failure rate assumed for pages. A listing has few pages and needs all of them. So each page gets as many
    /// attempts as a source that fails half of its calls requires.
    private static let assumedFailureRate = FailureRate(0.5)

    private let directory: any SubAccountDirectory
    private let shared: (any SharedAccountLists)?
    private let time: any TimeSource
    private let rules: Rules
    private let state = Mutex(State())

    /// - Parameter shared: The lists of all replicas; `nil` if this replica shares none.
    package init(
        directory: any SubAccountDirectory, shared: (any SharedAccountLists)? = nil, time: any TimeSource,
        rules: Rules = Rules()
    ) {
        self.directory = directory
        self.shared = shared
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
        try await snapshot(of: master, filter, maxAge: maxAge).list
    }

    /// As `accounts`, with the time and the history of the list.
    package func snapshot(
        of master: Name?, _ filter: SubAccountFilter, maxAge: Duration?
    ) async throws(BillingFailure) -> AccountListSnapshot {
        let key = Key(master: master, filter: filter, chosen: nil)
        let directives = Self.directives(maxAge)
        if let snapshot = cached(key, directives, at: time.now) { return snapshot }
        return try await join(key, directives)
    }

    /// The accounts of a master account, for a reader that needs no order: the cached list in ascending order, or the
    /// accounts of the listing under way as they arrive. Does not wait.
    ///
    /// - Parameters:
    ///   - limit: The maximum number of accounts; `nil` for all.
    ///   - maxAge: As for `accounts`.
    package func arrivingAccounts(
        of master: Name?, _ filter: SubAccountFilter, limit: Int? = nil, maxAge: Duration? = nil
    ) -> any AccountFeed {
        let key = Key(master: master, filter: filter, chosen: nil)
        let directives = Self.directives(maxAge)
        if let snapshot = cached(key, directives, at: time.now) {
            return AccountListFeed(snapshot.list, after: nil, limit: limit)
        }
        let listing = enter(key, directives, readsOnArrival: true)
        return ArrivingAccounts(listing, limit: limit) { [self] in leave(listing, key) }
    }

    private static func directives(_ maxAge: Duration?) -> CacheDirectives {
        var directives = CacheDirectives()
        directives.maxAge = maxAge
        // The age that the caller permits counts, even if the list is older than the rules permit.
        if maxAge != nil { directives.maxStale = maxAge }
        return directives
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
        return try await join(key, directives, survivesWithoutParticipants: true)
    }

    private func cached(_ key: Key, _ directives: CacheDirectives, at now: Moment) -> AccountListSnapshot? {
        guard let snapshot = state.withLock({ $0.lists[key] }) else { return nil }
        let times = SharedAccountList.Times(age: snapshot.age(at: now), took: snapshot.took)
        return rules.permits(times, directives) ? snapshot : nil
    }

    /// When the list of a master account changed first after a list of it was taken, in milliseconds since 1970; `nil` if it
    /// has not.
    func firstChange(after snapshot: AccountListSnapshot, _ master: Name?, _ filter: SubAccountFilter) -> Int64? {
        let key = Key(master: master, filter: filter, chosen: nil)
        guard let current = state.withLock({ $0.lists[key] }) else { return snapshot.currentSince }
        return current.history.firstChange(after: snapshot.currentSince)
    }

    /// How long a list is fresh.
    package func lifetime(of snapshot: AccountListSnapshot) -> Duration { rules.lifetime(took: snapshot.took) }

    package func removeAll() {
        let released = state.withLock { state in
            defer { state.lists = [:] }
            for key in state.running.keys { state.running[key]?.isCacheable = false }
            return state.lists
        }
        // Freed without the lock.
        _ = consume released
    }

    /// Cancels the listings under way and refuses new ones.
    package func close() async {
        let running = state.withLock { state in
            state.isClosed = true
            defer { state.running = [:] }
            return state.running.values
        }
        for listing in running {
            listing.task.cancel()
            listing.listing.end(with: .failure(.cancelled))
        }
        for listing in running { await listing.task.value }
    }

    // MARK: Storage outside of the process

    /// The current lists of all accounts, by master account.
    package var storable: [(master: Name?, snapshot: AccountListSnapshot)] {
        state.withLock { state in
            state.lists.filter { $0.key.chosen == nil && $0.key.filter == .all }.map { ($0.key.master, $0.value) }
        }
    }

    /// Caches a list that was stored.
    ///
    /// - Returns: Whether it is cached: false if there is a list already.
    package func restore(_ snapshot: AccountListSnapshot, of master: Name?) -> Bool {
        let key = Key(master: master, filter: .all, chosen: nil)
        return state.withLock { state in
            guard state.lists[key] == nil else { return false }
            state.lists[key] = snapshot
            return true
        }
    }

    // MARK: Listings

    private func join(
        _ key: Key, _ directives: CacheDirectives, survivesWithoutParticipants: Bool = false
    ) async throws(BillingFailure) -> AccountListSnapshot {
        let listing = enter(key, directives, survivesWithoutParticipants: survivesWithoutParticipants)
        defer { leave(listing, key) }
        return try await listing.snapshot()
    }

    /// The listing under way, or a new one, with one participant more. The participant must leave.
    private func enter(
        _ key: Key, _ directives: CacheDirectives, survivesWithoutParticipants: Bool = false,
        readsOnArrival: Bool = false
    ) -> SharedListing {
        state.withLock { state in
            guard !state.isClosed else {
                let closed = SharedListing()
                closed.end(with: .failure(.cancelled))
                return closed
            }
            var running = state.running[key] ?? start(key)
            running.participants += 1
            if shared != nil, !running.directives.contains(directives) { running.directives.append(directives) }
            if readsOnArrival { running.isReadOnArrival = true }
            if survivesWithoutParticipants { running.survivesWithoutParticipants = true }
            state.running[key] = running
            return running.listing
        }
    }

    private func start(_ key: Key) -> Running {
        let listing = SharedListing()
        return Running(
            listing: listing,
            task: Task {
                guard let shared, key.chosen == nil else {
                    let result = await list(key, listing) {}
                    return end(listing, key, with: result)
                }
                await list(key, listing, with: ReplicatedListing(shared, key.filter, under: key.master, time: time))
            })
    }

    /// Takes the list of another replica, or lists for all replicas.
    private func list(_ key: Key, _ listing: SharedListing, with replicas: ReplicatedListing) async {
        var replicas = replicas
        while let found = await replicas.find(
            mayWait: { state.withLock { $0.running[key]?.isReadOnArrival == false } },
            isWanted: { times in state.withLock { $0.running[key]?.permits(times, rules) ?? false } })
        {
            // If not, a participant has come meanwhile that does not permit its age.
            if end(listing, key, withListOfReplica: found) { return }
        }
        let result = await list(key, listing) { await replicas.extendClaim() }
        end(listing, key, with: result)
        guard case .success(let listed) = result else { return await replicas.endClaim() }
        await replicas.put(
            SharedAccountList(
                listed.list, listed.records, .init(age: max(time.now - listed.began, .zero), took: listed.took)),
            lifetime: rules.lifetime(took: listed.took))
    }

    /// - Returns: Whether all participants permit the age of the list. Otherwise the listing continues.
    private func end(_ listing: SharedListing, _ key: Key, withListOfReplica found: SharedAccountList) -> Bool {
        let (age, fits) = (found.times.age, found.records.map { $0.bytes <= rules.recordBytesMax } ?? false)
        let began = time.now - age
        let listed = Listed(
            list: found.list, records: fits ? found.records : nil, began: began,
            asOf: Timestamp(secondsSinceEpoch: time.timestamp.secondsSinceEpoch - age.components.seconds),
            took: found.times.took)
        guard let snapshot = store(listed, listing, key, if: { $0.permits(found.times, rules) }) else { return false }
        listing.add(PackedAccounts(found.list))
        listing.end(with: .success(snapshot))
        return true
    }

    private func leave(_ listing: SharedListing, _ key: Key) {
        let task = state.withLock { state -> Task<Void, Never>? in
            // The listing may have ended, and another one may have begun.
            guard var running = state.running[key], running.listing === listing else { return nil }
            running.participants -= 1
            let isCancelled = running.participants == 0 && !running.survivesWithoutParticipants
            state.running[key] = isCancelled ? nil : running
            return isCancelled ? running.task : nil
        }
        task?.cancel()
    }

    private func end(_ listing: SharedListing, _ key: Key, with result: Result<Listed, BillingFailure>) {
        switch result {
        case .success(let listed):
            guard let snapshot = store(listed, listing, key, if: { _ in true }) else { return }
            listing.end(with: .success(snapshot))
        case .failure(let failure):
            state.withLock { state in
                if state.running[key]?.listing === listing { state.running[key] = nil }
            }
            listing.end(with: .failure(failure))
        }
    }

    /// A complete list.
    private struct Listed {
        let list: AccountList
        let records: AccountRecords?
        let began: Moment
        let asOf: Timestamp
        let took: Duration
    }

    /// - Parameter pageArrived: Called after each page.
    private func list(
        _ key: Key, _ arriving: SharedListing, pageArrived: () async -> Void
    ) async -> Result<Listed, BillingFailure> {
        let (began, asOf) = (time.now, time.timestamp)
        var listing = AccountListing(
            pagesMax: rules.pagesMax, recordBytesMax: rules.recordBytesMax, chosen: key.chosen)
        let retryLoop = RetryLoop(time: time, deadline: rules.pageDeadline, failureRate: Self.assumedFailureRate)
        while true {
            switch listing.step {
            case .complete(let list, let records):
                return .success(
                    Listed(list: list, records: records, began: began, asOf: asOf, took: time.now - began))
            case .failed(let problem): return .failure(.accountListUnusable(problem))
            case .fetch(let token):
                let request = SubAccountPageRequest(token.map { .token($0) } ?? .number(1), filter: key.filter)
                let page = await retryLoop.attempt { [directory] isRetry async throws(BillingFailure) in
                    try await directory.page(of: key.master, request, for: .bulk(isRetry: isRetry))
                }
                switch page {
                case .success(let page):
                    arriving.add(listing.add(page))
                    await pageArrived()
                case .failure(.invalid) where token != nil: listing.tokenExpired()
                case .failure(let failure): return .failure(failure)
                }
            }
        }
    }

    /// Ends a listing, and caches its list as the current one unless the listing was cancelled or the lists were removed.
    ///
    /// - Parameter condition: Whether the listing ends with this list.
    /// - Returns: `nil` if the listing continues.
    private func store(
        _ listed: Listed, _ listing: SharedListing, _ key: Key, if condition: (Running) -> Bool
    ) -> AccountListSnapshot? {
        let previous = key.chosen == nil ? state.withLock { $0.lists[key] } : nil
        // Takes too long for the lock.
        let difference = previous.map { AccountListDifference(from: $0.list, to: listed.list) }
        let (snapshot, released) = state.withLock { state -> (AccountListSnapshot?, [AccountListSnapshot]) in
            // Read with the lock, so that a reader that took the previous list did so before this moment.
            var moment = time.millisecondsSinceEpoch
            var history = AccountListHistory(since: moment)
            if let previous, let difference, state.lists[key]?.currentSince == previous.currentSince {
                // The clock may have been set back. Each list has a moment of its own.
                moment = max(moment, previous.currentSince + 1)
                history = previous.history
                history.add(difference, at: moment)
                moment = max(moment, history.completeSince)
            }
            let snapshot = AccountListSnapshot(
                list: listed.list, records: listed.records, began: listed.began, asOf: listed.asOf, took: listed.took,
                currentSince: moment, history: history)
            guard let running = state.running[key], running.listing === listing else { return (snapshot, []) }
            guard condition(running) else { return (nil, []) }
            state.running[key] = nil
            return (snapshot, running.isCacheable ? Self.store(snapshot, key, rules, &state) : [])
        }
        // Freed without the lock.
        _ = consume released
        return snapshot
    }

    /// - Returns: The lists that are no longer cached.
    private static func store(
        _ snapshot: AccountListSnapshot, _ key: Key, _ rules: Rules, _ state: inout State
    ) -> [AccountListSnapshot] {
        var released: [AccountListSnapshot] = []
        if let old = state.lists.updateValue(snapshot, forKey: key) { released.append(old) }
        let others = state.lists.filter { $0.key != key }.sorted { $0.value.began < $1.value.began }
        let alike = others.filter { ($0.key.chosen == nil) == (key.chosen == nil) }
        let excess = alike.count + 1 - (key.chosen == nil ? listsMax : chosenListsMax)
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
}

extension AccountListCache.Rules {
    /// How long a list is fresh.
    func lifetime(took: Duration) -> Duration { max(maxAge, took * 10) }

    func permits(_ times: SharedAccountList.Times, _ directives: CacheDirectives) -> Bool {
        guard !directives.noCache else { return false }
        if let maxAge = directives.maxAge, times.age > maxAge { return false }
        let lifetime = lifetime(took: times.took)
        if let minFresh = directives.minFresh, times.age + minFresh > lifetime { return false }
        return times.age <= lifetime + (directives.maxStale ?? .zero)
    }
}
