/// Lists the sub accounts of a caller's master account in pages, or those of its allow-list.
///
/// Pages come from the cached account list if it is fresh, in ascending order of account id. Otherwise the first page
/// comes from the source, in one call, and so do the pages after it. A caller with an allow-list gets all pages from the
/// account list: pages of the source would show how many accounts of others there are.
package struct ListAccounts: Sendable {
    /// Where a page begins.
    package enum Position: Sendable, Equatable {
        /// The page with this number, from 1.
        case number(Int)
        /// After this account, in the order of the account list.
        case after(AccountID)
        /// The page that the source's token names, with its number.
        case source(token: String, number: Int)
    }

    package struct Request: Sendable, Equatable {
        package let position: Position

        /// The maximum number of accounts on a page.
        package let size: Int
        package let filter: SubAccountFilter

        package init(position: Position, size: Int, filter: SubAccountFilter) {
            self.position = position
            self.size = size
            self.filter = filter
        }
    }

    package struct Page: Sendable {
        package let records: [SourceDocument]

        /// The position of the next page; `nil` after the last page.
        package let next: Position?

        /// The number of the page, from 1.
        package let number: Int

        /// The number of accounts on all pages, if it is known.
        package let total: Int?

        package let asOf: Timestamp

        /// The time since the listing began, or since the page of the source was requested.
        package let age: Duration

        /// How long the page is fresh, from the same moment.
        package let lifetime: Duration

        package var isFresh: Bool { age <= lifetime }
    }

    private let lists: AccountListCache
    private let directory: any SubAccountDirectory
    private let time: any TimeSource
    private let coalescer = RequestCoalescer<SourceRequest, SubAccountPage>()

    private struct SourceRequest: Hashable, Sendable {
        let master: Name?
        let page: SubAccountPageRequest
    }

    /// The largest allow-list that is searched for on the executor of the caller. A larger one is searched for in a new task.
    private static let immediateAccountsMax = 4096

    package init(lists: AccountListCache, directory: any SubAccountDirectory, time: any TimeSource) {
        self.lists = lists
        self.directory = directory
        self.time = time
    }

    /// The page from the cached account list, without waiting; `nil` if it takes a request to the source.
    ///
    /// - Throws: `scopeMissing`; `invalid` without violations for a position that is not the caller's.
    package func cached(
        _ request: Request, for caller: Caller, directives: CacheDirectives, at now: Moment
    ) throws(BillingFailure) -> Page? {
        try Self.check(request, caller)
        guard let list = cachedList(for: request, caller, directives, at: now) else { return nil }
        if let allowed = caller.accounts, allowed.count > Self.immediateAccountsMax,
            list.snapshot.knownIndices(of: allowed) == nil
        {
            return nil
        }
        return page(request, of: list, for: caller, at: now)
    }

    /// The page from the cached account list, or from the source.
    ///
    /// - Parameter queueTimeout: The maximum time in the queue for a permit for a page of the source; `nil` for the default.
    /// - Throws: `scopeMissing`; `invalid` without violations for a position that has expired or is not the caller's;
    ///   `notCached`; the errors of `AccountListCache` and of `SubAccountDirectory`.
    package func callAsFunction(
        _ request: Request, for caller: Caller, queueTimeout: Duration? = nil, directives: CacheDirectives
    ) async throws(BillingFailure) -> Page {
        try Self.check(request, caller)
        if let list = cachedList(for: request, caller, directives, at: time.now) {
            return await page(request, of: list, for: caller)
        }
        if directives.onlyIfCached { throw .notCached }
        switch (request.position, caller.accounts) {
        case (.source(let token, let number), _):
            return try await page(request, .token(token), number: number, for: caller, queueTimeout, directives)
        case (.number(let number), nil):
            return try await page(request, .number(number), number: number, for: caller, queueTimeout, directives)
        case (.number, _?), (.after, _):
            let list = try await list(for: request, caller, directives)
            return await page(request, of: list, for: caller)
        }
    }

    /// A page of the source can only be continued by a caller that may see all accounts.
    private static func check(_ request: Request, _ caller: Caller) throws(BillingFailure) {
        try caller.require(Operation.listSubAccounts.rules.callerScope)
        if case .source = request.position, caller.accounts != nil { throw .invalid([]) }
    }

    // MARK: Pages of the account list

    private struct List: Sendable {
        let snapshot: AccountListSnapshot
        let records: AccountRecords

        init?(_ snapshot: AccountListSnapshot?) {
            guard let snapshot, let records = snapshot.records else { return nil }
            self.snapshot = snapshot
            self.records = records
        }
    }

    private func cachedList(
        for request: Request, _ caller: Caller, _ directives: CacheDirectives, at now: Moment
    ) -> List? {
        if case .source = request.position { return nil }
        let (master, filter) = (caller.master, request.filter)
        if let list = List(lists.cached(of: master, filter, directives: directives, at: now)) { return list }
        guard let allowed = caller.accounts else { return nil }
        return List(lists.cached(of: master, filter, chosen: allowed, directives: directives, at: now))
    }

    /// The account list. If the records of all accounts exceed their limit, a caller with an allow-list gets a list of its
    /// own accounts.
    private func list(
        for request: Request, _ caller: Caller, _ directives: CacheDirectives
    ) async throws(BillingFailure) -> List {
        let (master, filter) = (caller.master, request.filter)
        // A request with `no-cache` gets a list that is listed now. So it begins after this moment.
        var directives = directives
        if directives.noCache {
            directives.noCache = false
            directives.maxAge = .zero
        }
        // Records that exceeded the limit in an older list will do so again.
        var anyAge = CacheDirectives()
        anyAge.maxStale = .seconds(86_400)
        let known = lists.cached(of: master, filter, directives: anyAge, at: time.now)
        let mayFit = known == nil || known?.records != nil || caller.accounts == nil
        if mayFit, let list = List(try await lists.snapshot(of: master, filter, directives: directives)) { return list }
        guard let allowed = caller.accounts,
            let list = List(try await lists.snapshot(of: master, filter, chosen: allowed, directives: directives))
            // The account list has outgrown the limit since the page before this one. Its order is not the source's.
        else { throw .invalid([]) }
        return list
    }

    private func page(_ request: Request, of list: List, for caller: Caller) async -> Page {
        if let allowed = caller.accounts, allowed.count > Self.immediateAccountsMax {
            // A new task does not inherit the executor of the caller, which must not be blocked.
            await Task { _ = list.snapshot.indices(of: allowed) }.value
        }
        return page(request, of: list, for: caller, at: time.now)
    }

    private func page(_ request: Request, of list: List, for caller: Caller, at now: Moment) -> Page {
        let accounts = list.snapshot.list
        let indices = caller.accounts.map { list.snapshot.indices(of: $0) }
        let count = indices?.count ?? accounts.count
        let start: Int =
            switch request.position {
            case .number(let number):
                number - 1 > count / request.size ? count : min((number - 1) * request.size, count)
            case .after(let account): Self.position(accounts.index(after: account), in: indices)
            case .source: preconditionFailure("the position is in the source's pages")
            }
        let end = min(start + request.size, count)
        func index(_ position: Int) -> Int { indices.map { Int($0[position]) } ?? position }
        return Page(
            records: (start..<end).map { list.records[index($0)] },
            next: end < count ? .after(accounts[index(end - 1)]) : nil, number: start / request.size + 1, total: count,
            asOf: list.snapshot.asOf, age: list.snapshot.age(at: now), lifetime: lists.lifetime(of: list.snapshot))
    }

    /// The number of indices below `index`; `index` itself if every index is present.
    private static func position(_ index: Int, in indices: [UInt32]?) -> Int {
        guard let indices else { return index }
        var (low, high) = (0, indices.count)
        while low < high {
            let middle = (low + high) / 2
            if Int(indices[middle]) < index { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Pages of the source

    private func page(
        _ request: Request, _ start: SubAccountPageRequest.Start, number: Int, for caller: Caller,
        _ queueTimeout: Duration?, _ directives: CacheDirectives
    ) async throws(BillingFailure) -> Page {
        let key = SourceRequest(
            master: caller.master, page: SubAccountPageRequest(start, size: request.size, filter: request.filter))
        let purpose = Purpose.interactive(for: caller.name, queueTimeout: queueTimeout)
        let asOf = time.timestamp
        let page: SubAccountPage
        // With no-cache, a page requested earlier is too old. Nor can a request wait with another's queue timeout.
        let canJoin =
            !directives.noCache && (coalescer.purpose(of: key).map { $0.queueTimeout == queueTimeout } ?? true)
        if canJoin {
            page = try await coalescer.join(key, purpose) { [directory] purpose in
                do throws(BillingFailure) {
                    return .success(try await directory.page(of: key.master, key.page, for: purpose))
                } catch {
                    return .failure(error)
                }
            }
        } else {
            page = try await directory.page(of: key.master, key.page, for: purpose)
        }
        return Page(
            records: page.accounts.map(\.record), next: page.next.map { .source(token: $0, number: number + 1) },
            number: number, total: page.total, asOf: asOf, age: .zero, lifetime: .zero)
    }
}
