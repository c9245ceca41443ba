import Domain
import DomainFakes
import Testing

@Suite("Account list")
struct AccountListTests {
    @Test("An account list is sorted and has no duplicates, whatever its input", arguments: 1...20)
    func order(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("ABab01-_.=+")
        let accounts = (0..<500).compactMap { _ in
            // Many ids share a prefix, and some are a prefix of another.
            let length = Int.random(in: 1...24, using: &random)
            return AccountID(
                String((0..<length).map { $0 < 15 ? "x" : alphabet[Int.random(in: 0..<11, using: &random)] }))
        }
        let list = AccountList(accounts)
        let found = (0..<list.count).map { list[$0] }
        #expect(found == Set(accounts).sorted())
        for account in accounts + [AccountID(literal: "0"), AccountID(literal: "zz")] {
            #expect(list.index(after: account) == found.count { $0 <= account })
            let bytes = Array(account.rawValue.utf8)
            let index = found.count { $0 < account }
            for start in [0, index / 2, max(0, index - 1), index] {
                #expect(list.index(notBefore: bytes.span, from: start) == index)
            }
            for other in [index - 1, index, index + 1] where found.indices.contains(other) {
                #expect(list.matches(other, bytes.span) == (found[other] == account))
            }
        }
    }

    @Test("An id matches only the same bytes, whatever its length and the place of a difference", arguments: 1...64)
    func matches(length: Int) throws {
        let id = [UInt8](repeating: UInt8(ascii: "a"), count: length)
        let list = AccountList([try #require(AccountID(String(repeating: "a", count: length)))])
        #expect(list.matches(0, id.span) == true)
        for other in [id.dropLast(), id + id] { #expect(list.matches(0, other.span) == false, "length \(other.count)") }
        for place in id.indices {
            var other = id
            other[place] = UInt8(ascii: "b")
            #expect(list.matches(0, other.span) == false, "place \(place)")
        }
    }

    @Test("An account list may be empty")
    func empty() {
        let list = AccountList([])
        #expect(list.count == 0 && list.index(after: AccountID(literal: "a")) == 0)
        #expect(list.index(notBefore: [UInt8]("a".utf8).span) == 0)
    }
}

@Suite("Account listing", .timeLimit(.minutes(10)))
struct AccountListingTests {
    /// An unsorted list that changes during the listing: each page of ten is cut from the current list.
    private actor Directory: SubAccountDirectory {
        var accounts: [AccountID]
        let changes: @Sendable (_ page: Int, inout [AccountID]) -> Void
        var pages = 0
        var expires: Set<Int> = []
        let reportsTotal: Bool

        init(
            _ count: Int, reportsTotal: Bool = true, expires: Set<Int> = [],
            changes: @escaping @Sendable (Int, inout [AccountID]) -> Void = { _, _ in }
        ) {
            accounts = (0..<count).map { AccountID(literal: "\($0 * 7919 % 10007)-\($0)") }
            self.changes = changes
            self.reportsTotal = reportsTotal
            self.expires = expires
        }

        func page(
            of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            pages += 1
            changes(pages, &accounts)
            if expires.contains(pages) { throw .invalid([]) }
            let start =
                switch request.start {
                case .token(let token): Int(token) ?? 0
                case .number(let number): (number - 1) * 10
                }
            let end = min(start + 10, accounts.count)
            return SubAccountPage(
                ids: start < end ? Array(accounts[start..<end]) : [], next: end < accounts.count ? "\(end)" : nil,
                total: reportsTotal ? accounts.count : nil)
        }
    }

    private func accounts(_ directory: Directory) async throws(BillingFailure) -> Set<AccountID> {
        let list = try await AccountListCache(directory: directory, time: TestClock()).accounts(of: nil, .all)
        return Set((0..<list.count).map { list[$0] })
    }

    @Test("An account listing reads all pages")
    func pages() async throws {
        for count in [0, 1, 10, 11, 95] {
            let directory = Directory(count)
            let found = try await accounts(directory)
            #expect(found == Set(await directory.accounts))
            #expect(await directory.pages == max(1, (count + 9) / 10))
        }
    }

    @Test("An account listing finds every account that exists throughout, while removals shift the pages")
    func removals() async throws {
        let directory = Directory(95) { page, accounts in
            // The first account is removed each time. The next one shifts to a page that was read already.
            if page <= 5 { accounts.removeFirst() }
        }
        let found = try await accounts(directory)
        #expect(found.isSuperset(of: await directory.accounts))
    }

    @Test("An account listing finds every account once, while additions shift the pages")
    func additions() async throws {
        let directory = Directory(95) { page, accounts in
            if page <= 5 { accounts.insert(AccountID(literal: "new-\(page)"), at: 0) }
        }
        let before = Set(await directory.accounts)
        let found = try await accounts(directory)
        #expect(found.isSuperset(of: before))
    }

    @Test("An account listing starts again after an expired page token, and keeps the accounts found before")
    func expired() async throws {
        let directory = Directory(95, expires: [4, 9])
        let found = try await accounts(directory)
        #expect(found == Set(await directory.accounts))
    }

    @Test("An account listing fails if the list changes during every pass, or its page tokens always expire")
    func changingList() async throws {
        let changing = Directory(95) { page, accounts in
            // The pages never show as many accounts as they report, and the accounts change with each page.
            accounts.removeFirst()
            accounts.insert(AccountID(literal: "other-\(page)"), at: min(page * 10 % 90, accounts.count))
            accounts.swapAt(0, accounts.count - 1)
            accounts += [AccountID(literal: "late-\(page)")]
        }
        await #expect(throws: BillingFailure.accountListUnusable(.changing(attempts: 5))) {
            try await accounts(changing)
        }
        let expiring = Directory(95, expires: Set(stride(from: 2, to: 100, by: 2)))
        await #expect(throws: BillingFailure.accountListUnusable(.expiringTokens(attempts: 5))) {
            try await accounts(expiring)
        }
    }

    /// An endless list: the closures give the accounts and the next token of page `n`.
    private actor EndlessDirectory: SubAccountDirectory {
        private(set) var pages = 0
        private let total: Int?
        private let accounts: @Sendable (Int) -> [String]
        private let next: @Sendable (Int) -> String

        init(
            total: Int? = nil, accounts: @escaping @Sendable (Int) -> [String],
            next: @escaping @Sendable (Int) -> String
        ) {
            self.total = total
            self.accounts = accounts
            self.next = next
        }

        func page(
            of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            pages += 1
            return SubAccountPage(
                ids: accounts(pages).map { AccountID(literal: $0) }, next: next(pages), total: total)
        }

        /// The failure of a listing.
        func failure(_ rules: AccountListCache.Rules = .init()) async -> BillingFailure? {
            do throws(BillingFailure) {
                _ = try await AccountListCache(directory: self, time: TestClock(), rules: rules).accounts(of: nil, .all)
                return nil
            } catch {
                return error
            }
        }
    }

    @Test(
        "A repeated page token ends an account listing at once, whatever the length of the cycle",
        arguments: [1, 2, 3, 7, 1000], [0, 1, 30])
    func repeatedToken(cycle: Int, before: Int) async {
        // Each page has new accounts, so only the token shows the cycle.
        let directory = EndlessDirectory(
            accounts: { ["a\($0)"] }, next: { $0 <= before ? "before-\($0)" : "\(($0 - before) % cycle)" })
        #expect(await directory.failure() == .accountListUnusable(.repeatedPage))
        #expect(await directory.pages == before + cycle + 1)
    }

    @Test("Pages without a new account end an account listing, even if each has a new token")
    func nothingNew() async {
        for accounts in [{ _ in [] }, { ["a\($0 % 3)", "b"] }] as [@Sendable (Int) -> [String]] {
            let directory = EndlessDirectory(accounts: accounts, next: { "token-\($0)" })
            #expect(await directory.failure() == .accountListUnusable(.nothingNew(pages: 20)))
            #expect(await directory.pages <= 23)
        }
    }

    @Test("An account listing fails after more pages than the reported number of accounts can fill")
    func tooManyPages() async {
        let directory = EndlessDirectory(
            total: 1000, accounts: { page in (0..<10).map { "a\(page % 2 == 0 ? page : 0)-\($0)" } },
            next: { "token-\($0)" })
        #expect(await directory.failure() == .accountListUnusable(.tooManyPages(1100, accounts: 1000)))
        #expect(await directory.pages == 1100)
    }

    @Test("An account listing without a reported total fails at the maximum number of pages")
    func endless() async {
        var rules = AccountListCache.Rules()
        #expect(rules.pagesMax == 33_334)
        rules.pagesMax = 500
        let directory = EndlessDirectory(accounts: { ["a\($0)"] }, next: { "token-\($0)" })
        #expect(await directory.failure(rules) == .accountListUnusable(.tooManyPages(500, accounts: nil)))
    }

    @Test("An export does not repeat the listing of an endless list, and fails with the reason")
    func endlessExport() async throws {
        let directory = EndlessDirectory(accounts: { _ in ["a"] }, next: { "\($0 % 2)" })
        let clock = TestClock()
        let source = FakeSource()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
        let exportBilling = ExportBilling(
            lists: AccountListCache(directory: directory, time: clock), cache: cache, source: source, time: clock)
        struct IgnoringConsumer: ExportBilling.Consumer {
            func take(_ event: ExportBilling.Event) async throws(BillingFailure) {}
            func flush() async throws(BillingFailure) {}
        }
        await #expect(throws: BillingFailure.accountListUnusable(.repeatedPage)) {
            try await exportBilling(.init(), for: .everything).run(to: IgnoringConsumer())
        }
        #expect(await directory.pages == 3)
    }

    @Test("An account listing is complete without a reported total, and with a total that is too high")
    func totals() async throws {
        #expect(try await accounts(Directory(25, reportsTotal: false)).count == 25)
        struct WrongTotal: SubAccountDirectory {
            func page(
                of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
            ) async throws(BillingFailure) -> SubAccountPage {
                SubAccountPage(ids: [AccountID(literal: "a")], next: nil, total: 2)
            }
        }
        let list = try await AccountListCache(directory: WrongTotal(), time: TestClock()).accounts(of: nil, .all)
        #expect(list.count == 1)
    }

    @Test("Concurrent requests for an account list share one listing, which is cached for a while")
    func shared() async throws {
        let clock = TestClock()
        let directory = Directory(25)
        let lists = AccountListCache(directory: directory, time: clock)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await lists.accounts(of: nil, .all).count } }
            for try await count in group { #expect(count == 25) }
        }
        #expect(await directory.pages == 3)
        clock.advance(by: .seconds(299))
        _ = try await lists.accounts(of: nil, .all)
        #expect(await directory.pages == 3)
        _ = try await lists.accounts(of: nil, .all, maxAge: .seconds(100))
        #expect(await directory.pages == 6)
        _ = try await lists.accounts(of: nil, SubAccountFilter(reseller: "r"))
        #expect(await directory.pages == 9)
        lists.removeAll()
        _ = try await lists.accounts(of: nil, .all)
        #expect(await directory.pages == 12)
    }

    @Test("An account list contains exactly the ids it was made from, and recognizes a subset")
    func membership() {
        let ids = (0..<1000).map { AccountID(literal: "a\($0 * 2)") }
        let list = AccountList(ids.shuffled())
        for number in 0..<2000 { #expect(list.contains(AccountID(literal: "a\(number)")) == number.isMultiple(of: 2)) }
        for other in ["a", "b", "a0", "a00", "a9999", "A0"] {
            #expect(list.contains(AccountID(literal: other)) == (other == "a0"))
        }
        #expect(!AccountList([]).contains(ids[0]))
        #expect(list.isSuperset(of: list) && list.isSuperset(of: AccountList([])))
        #expect(list.isSuperset(of: AccountList(ids.prefix(10))))
        #expect(!list.isSuperset(of: AccountList(ids.prefix(10) + [AccountID(literal: "a1")])))
        #expect(!AccountList(ids.dropLast()).isSuperset(of: list))
    }
}
