import Domain
import DomainFakes
import Testing

@Suite("Pages of sub accounts", .timeLimit(.minutes(10)))
struct ListAccountsTests {
    private let clock = TestClock()

    /// `a000` and so on, in no order.
    private static func ids(_ count: Int) -> [AccountID] {
        (0..<count).map { number in
            let digits = String(number * 7 % count)
            return AccountID(literal: "a" + String(repeating: "0", count: 3 - digits.count) + digits)
        }
    }

    private func with(
        _ directory: FakeDirectory, recordBytesMax: Int = 1 << 20,
        _ test: (ListAccounts, AccountListCache) async throws -> Void
    ) async throws {
        var rules = AccountListCache.Rules()
        rules.recordBytesMax = recordBytesMax
        let lists = AccountListCache(directory: directory, time: clock, rules: rules)
        try await test(ListAccounts(lists: lists, directory: directory, time: clock), lists)
        await lists.close()
    }

    private static func first(_ size: Int) -> ListAccounts.Request {
        .init(position: .number(1), size: size, filter: .all)
    }

    /// All pages from the first one on.
    private func pages(
        _ listAccounts: ListAccounts, size: Int, for caller: Caller = .everything,
        directives: CacheDirectives = .none
    ) async throws(BillingFailure) -> [ListAccounts.Page] {
        var pages = [try await listAccounts(Self.first(size), for: caller, directives: directives)]
        while let next = pages.last?.next, pages.count < 1000 {
            let request = ListAccounts.Request(position: next, size: size, filter: .all)
            pages.append(try await listAccounts(request, for: caller, directives: directives))
        }
        return pages
    }

    private static func restricted(to accounts: [AccountID]) -> Caller {
        Caller(name: Name(literal: "shop"), scopes: [.billingRead], accounts: AllowList(accounts))
    }

    private static func records(_ pages: [ListAccounts.Page]) -> [SourceDocument] { pages.flatMap(\.records) }

    private static func failure(_ request: () async throws(BillingFailure) -> Void) async -> BillingFailure? {
        do throws(BillingFailure) {
            try await request()
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "Pages of the cached account list have every record once in order of id, without a request to the source",
        arguments: [0, 1, 29, 30, 31, 90, 95], [1, 7, 30, 300])
    func cachedList(count: Int, size: Int) async throws {
        let directory = FakeDirectory(Self.ids(count))
        try await with(directory) { listAccounts, lists in
            _ = try await lists.accounts(of: nil, .all)
            let calls = directory.requests.count
            clock.advance(by: .seconds(17))
            let pages = try await pages(listAccounts, size: size)
            #expect(Self.records(pages) == Self.ids(count).sorted().map(FakeDirectory.record))
            #expect(pages.map(\.number) == Array(1...max(1, (count + size - 1) / size)))
            #expect(pages.allSatisfy { $0.total == count && $0.age == .seconds(17) && $0.isFresh })
            #expect(directory.requests.count == calls)
            for page in pages {
                // The deprecated page number selects the same page.
                let request = ListAccounts.Request(position: .number(page.number), size: size, filter: .all)
                let numbered = try listAccounts.cached(
                    request, for: .everything, directives: .none, at: clock.now)
                #expect(numbered?.records == page.records && numbered?.next == page.next)
            }
            let beyond = ListAccounts.Request(position: .number(1_000_000_000), size: size, filter: .all)
            let last = try await listAccounts(beyond, for: .everything, directives: .none)
            #expect(last.records.isEmpty && last.next == nil)
        }
    }

    @Test("Without a fresh account list a page comes from the source in one call, and so do the pages after it")
    func source() async throws {
        let directory = FakeDirectory(Self.ids(10))
        try await with(directory) { listAccounts, _ in
            let pages = try await pages(listAccounts, size: 4)
            #expect(Self.records(pages) == Self.ids(10).map(FakeDirectory.record))
            #expect(pages.map(\.number) == [1, 2, 3])
            #expect(pages.map(\.next) == [.source(token: "4", number: 2), .source(token: "8", number: 3), nil])
            #expect(pages.allSatisfy { $0.total == 10 && $0.age == .zero })
            #expect(
                directory.requests == [
                    SubAccountPageRequest(.number(1), size: 4), SubAccountPageRequest(.token("4"), size: 4),
                    SubAccountPageRequest(.token("8"), size: 4),
                ])
            #expect(
                directory.purposes.allSatisfy { $0.priority == .interactive && $0.caller == Caller.everything.name })
            let request = ListAccounts.Request(
                position: .number(3), size: 4, filter: SubAccountFilter(reseller: "r1"))
            let numbered = try await listAccounts(request, for: .everything, directives: .none)
            #expect(numbered.records == pages[2].records && numbered.number == 3)
            #expect(
                directory.requests.last
                    == SubAccountPageRequest(.number(3), size: 4, filter: SubAccountFilter(reseller: "r1")))
        }
    }

    @Test("Concurrent requests for a page of the source share one call")
    func coalesced() async throws {
        let release = Signal()
        let arrived = Signal()
        let directory = FakeDirectory(Self.ids(5)) { _ async throws(BillingFailure) in
            arrived.fire()
            try await release.waitInSource()
        }
        try await with(directory) { listAccounts, _ in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await listAccounts(Self.first(2), for: .everything, directives: .none).records.count
                    }
                }
                try await arrived.wait()
                release.fire()
                for try await count in group { #expect(count == 2) }
            }
            #expect(directory.requests.count < 20)
        }
    }

    @Test("A position in the source's pages is refused once the source refuses its token")
    func expiredToken() async throws {
        let directory = FakeDirectory(Self.ids(10))
        try await with(directory) { listAccounts, _ in
            let first = try await listAccounts(Self.first(4), for: .everything, directives: .none)
            directory.expireTokens()
            let next = ListAccounts.Request(position: try #require(first.next), size: 4, filter: .all)
            #expect(
                await Self.failure { () async throws(BillingFailure) in
                    _ = try await listAccounts(next, for: .everything, directives: .none)
                } == .invalid([]))
        }
    }

    @Test(
        "After the account list has expired, a position in it continues in a new list, which concurrent requests share")
    func continuedList() async throws {
        let directory = FakeDirectory(Self.ids(50))
        try await with(directory) { listAccounts, lists in
            _ = try await lists.accounts(of: nil, .all)
            let first = try await listAccounts(Self.first(20), for: .everything, directives: .none)
            #expect(first.next == .after(AccountID(literal: "a019")))
            clock.advance(by: .seconds(10_000))
            // The account of the position disappears, and one before it appears.
            directory.change { accounts in
                accounts.removeAll { $0.rawValue == "a019" }
                accounts.append(AccountID(literal: "a0000"))
            }
            let next = ListAccounts.Request(position: try #require(first.next), size: 20, filter: .all)
            let calls = directory.requests.count
            try await withThrowingTaskGroup(of: ListAccounts.Page.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await listAccounts(next, for: .everything, directives: .none) }
                }
                for try await page in group {
                    #expect(
                        page.records == Self.ids(50).sorted()[20..<40].map(FakeDirectory.record) && page.age == .zero)
                }
            }
            #expect(directory.requests.count == calls + 5)
        }
    }

    @Test("A listing that a page started continues after its caller has left, and answers the next request")
    func callerLeaves() async throws {
        let release = Signal()
        let arrived = Signal()
        let directory = FakeDirectory(Self.ids(30)) { call async throws(BillingFailure) in
            guard call == 2 else { return }
            arrived.fire()
            try await release.waitInSource()
        }
        try await with(directory) { listAccounts, _ in
            let caller = Self.restricted(to: [AccountID(literal: "a003")])
            let request = Task { try await listAccounts(Self.first(30), for: caller, directives: .none) }
            try await arrived.wait()
            request.cancel()
            await #expect(throws: BillingFailure.cancelled) { try await request.value }
            release.fire()
            let page = try await listAccounts(Self.first(30), for: caller, directives: .none)
            #expect(page.records.count == 1 && directory.requests.count == 3)
        }
    }

    @Test("A caller with an allow-list gets only its own accounts and their number, with and without a fresh list")
    func allowList() async throws {
        let own = ["a001", "a002", "a050", "a094", "nobody", "a"].map { AccountID(literal: $0) }
        let caller = Self.restricted(to: own)
        let expected = own.prefix(4).map(FakeDirectory.record)
        for isListed in [false, true] {
            let directory = FakeDirectory(Self.ids(95))
            try await with(directory) { listAccounts, lists in
                if isListed { _ = try await lists.accounts(of: nil, .all) }
                let pages = try await pages(listAccounts, size: 2, for: caller)
                #expect(Self.records(pages) == Array(expected) && pages.count == 2)
                #expect(pages.allSatisfy { $0.total == 4 } && pages.map(\.number) == [1, 2])
                // One listing serves all pages.
                #expect(directory.requests.count == 10)
                // A position of another caller does not move the page into the accounts of others.
                let foreign = ListAccounts.Request(
                    position: .after(AccountID(literal: "a049")), size: 1, filter: .all)
                let page = try await listAccounts(foreign, for: caller, directives: .none)
                #expect(page.records == [FakeDirectory.record(of: own[2])] && page.number == 3)
                for directives in [
                    CacheDirectives.none,
                    {
                        var all = CacheDirectives(); all.noCache = true; return all
                    }(),
                ] {
                    let source = ListAccounts.Request(
                        position: .source(token: "10", number: 2), size: 10, filter: .all)
                    #expect(
                        await Self.failure { () async throws(BillingFailure) in
                            _ = try await listAccounts(source, for: caller, directives: directives)
                        } == .invalid([]))
                }
            }
        }
    }

    @Test("A large allow-list is matched with the account list once, and then answers without waiting")
    func largeAllowList() async throws {
        let directory = FakeDirectory(Self.ids(50))
        let own = (0..<5000).map { AccountID(literal: "x\($0)") } + [AccountID(literal: "a007")]
        let caller = Self.restricted(to: own)
        try await with(directory) { listAccounts, lists in
            _ = try await lists.accounts(of: nil, .all)
            #expect(try listAccounts.cached(Self.first(5), for: caller, directives: .none, at: clock.now) == nil)
            let page = try await listAccounts(Self.first(5), for: caller, directives: .none)
            #expect(page.records == [FakeDirectory.record(of: AccountID(literal: "a007"))])
            let cached = try listAccounts.cached(Self.first(5), for: caller, directives: .none, at: clock.now)
            #expect(cached?.records == page.records)
            #expect(directory.requests.count == 5)
        }
    }

    @Test("If the records exceed their limit, pages come from the source, and an allow-list gets a list of its own")
    func recordsOverLimit() async throws {
        let directory = FakeDirectory(Self.ids(95))
        try await with(directory, recordBytesMax: 2000) { listAccounts, lists in
            #expect(try await lists.accounts(of: nil, .all).count == 95)
            #expect(directory.requests.count == 10)
            let page = try await listAccounts(Self.first(20), for: .everything, directives: .none)
            #expect(page.next == .source(token: "20", number: 2) && directory.requests.count == 11)
            let after = ListAccounts.Request(position: .after(AccountID(literal: "a010")), size: 5, filter: .all)
            #expect(
                await Self.failure { () async throws(BillingFailure) in
                    _ = try await listAccounts(after, for: .everything, directives: .none)
                } == .invalid([]))
            #expect(directory.requests.count == 11)
            // The listing ends with the page of the last of these accounts, the third page.
            let own = [Self.ids(95)[3], Self.ids(95)[27]]
            let caller = Self.restricted(to: own)
            let pages = try await pages(listAccounts, size: 1, for: caller)
            #expect(Self.records(pages) == own.sorted().map(FakeDirectory.record))
            #expect(directory.requests.count == 14)
        }
    }

    @Test("The directives of a request decide between the account list and the source")
    func directives() async throws {
        func directives(_ change: (inout CacheDirectives) -> Void) -> CacheDirectives {
            var directives = CacheDirectives()
            change(&directives)
            return directives
        }
        let directory = FakeDirectory(Self.ids(25))
        try await with(directory) { listAccounts, lists in
            func calls(_ directives: CacheDirectives) async throws -> Int {
                let before = directory.requests.count
                _ = try await listAccounts(Self.first(5), for: .everything, directives: directives)
                return directory.requests.count - before
            }
            let onlyIfCached = directives { $0.onlyIfCached = true }
            #expect(
                await Self.failure { () async throws(BillingFailure) in
                    _ = try await listAccounts(Self.first(5), for: .everything, directives: onlyIfCached)
                } == .notCached)
            _ = try await lists.accounts(of: nil, .all)
            clock.advance(by: .seconds(100))
            #expect(try await calls(.none) == 0)
            #expect(try await calls(onlyIfCached) == 0)
            #expect(try await calls(directives { $0.noCache = true }) == 1)
            #expect(try await calls(directives { $0.maxAge = .seconds(100) }) == 0)
            #expect(try await calls(directives { $0.maxAge = .seconds(99) }) == 1)
            #expect(try await calls(directives { $0.minFresh = .seconds(200) }) == 0)
            #expect(try await calls(directives { $0.minFresh = .seconds(201) }) == 1)
            clock.advance(by: .seconds(250))
            #expect(try await calls(.none) == 1)
            #expect(try await calls(directives { $0.maxStale = .seconds(50) }) == 0)
            #expect(try await calls(directives { $0.maxStale = .seconds(49) }) == 1)
        }
    }

    @Test("Pages of sub accounts need the scope billing:read")
    func scope() async throws {
        let directory = FakeDirectory(Self.ids(5))
        try await with(directory) { listAccounts, _ in
            let caller = Caller(name: Name(literal: "job"), scopes: [.billingExport, .plansRead])
            #expect(
                await Self.failure { () async throws(BillingFailure) in
                    _ = try await listAccounts(Self.first(5), for: caller, directives: .none)
                } == .scopeMissing(.billingRead))
            #expect(directory.requests.isEmpty)
        }
    }
}
