import Domain
import DomainFakes
import Testing

@Suite("A list of accounts")
struct AccountListTests {
    @Test("is in order and has each once, whatever it is made of", arguments: 1...20)
    func order(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("ABab01-_.=+")
        let accounts = (0..<500).compactMap { _ in
            // Many of them begin alike, and some are the beginning of others.
            let length = Int.random(in: 1...24, using: &random)
            return AccountID(
                String((0..<length).map { $0 < 15 ? "x" : alphabet[Int.random(in: 0..<11, using: &random)] }))
        }
        let list = AccountList(accounts)
        let found = (0..<list.count).map { list[$0] }
        #expect(found == Set(accounts).sorted())
        for account in accounts + [AccountID(literal: "0"), AccountID(literal: "zz")] {
            #expect(list.index(after: account) == found.count { $0 <= account })
        }
    }

    @Test("may be empty")
    func empty() {
        let list = AccountList([])
        #expect(list.count == 0 && list.index(after: AccountID(literal: "a")) == 0)
    }
}

@Suite("The accounts of a master", .timeLimit(.minutes(1)))
struct AccountListsTests {
    /// A list that is cut into pages of ten as it is at each moment, in an order of its own.
    private actor Directory: SubAccountDirectory {
        var accounts: [AccountID]
        let changes: @Sendable (_ page: Int, inout [AccountID]) -> Void
        var pages = 0
        var expires: Set<Int> = []
        let saysTotal: Bool

        init(
            _ count: Int, saysTotal: Bool = true, expires: Set<Int> = [],
            changes: @escaping @Sendable (Int, inout [AccountID]) -> Void = { _, _ in }
        ) {
            accounts = (0..<count).map { AccountID(literal: "\($0 * 7919 % 10007)-\($0)") }
            self.changes = changes
            self.saysTotal = saysTotal
            self.expires = expires
        }

        func page(
            of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            pages += 1
            changes(pages, &accounts)
            if expires.contains(pages) { throw .invalid([]) }
            let start = token.flatMap { Int($0) } ?? 0
            let end = min(start + 10, accounts.count)
            return SubAccountPage(
                accounts: start < end ? Array(accounts[start..<end]) : [], next: end < accounts.count ? "\(end)" : nil,
                total: saysTotal ? accounts.count : nil)
        }
    }

    private func accounts(_ directory: Directory) async throws(BillingFailure) -> Set<AccountID> {
        let list = try await AccountLists(directory: directory, time: TestClock()).accounts(of: nil, .all)
        return Set((0..<list.count).map { list[$0] })
    }

    @Test("are those of all pages")
    func pages() async throws {
        for count in [0, 1, 10, 11, 95] {
            let directory = Directory(count)
            let found = try await accounts(directory)
            #expect(found == Set(await directory.accounts))
            #expect(await directory.pages == max(1, (count + 9) / 10))
        }
    }

    @Test("that were there all the time are all found, while others go and so pull them from page to page")
    func vanishing() async throws {
        let directory = Directory(95) { page, accounts in
            // The first one goes each time: what comes next has moved to a page that was read already.
            if page <= 5 { accounts.removeFirst() }
        }
        let found = try await accounts(directory)
        #expect(found.isSuperset(of: await directory.accounts))
    }

    @Test("are each found once, while others come and push them from page to page")
    func appearing() async throws {
        let directory = Directory(95) { page, accounts in
            if page <= 5 { accounts.insert(AccountID(literal: "new-\(page)"), at: 0) }
        }
        let before = Set(await directory.accounts)
        let found = try await accounts(directory)
        #expect(found.isSuperset(of: before))
    }

    @Test("are found though a token was too old, with what was found before")
    func expired() async throws {
        let directory = Directory(95, expires: [4, 9])
        let found = try await accounts(directory)
        #expect(found == Set(await directory.accounts))
    }

    @Test("are not said to be known when the list does not hold still, or its tokens never live")
    func restless() async throws {
        let restless = Directory(95) { page, accounts in
            // More are said to be there than are ever shown, and others each time.
            accounts.removeFirst()
            accounts.insert(AccountID(literal: "other-\(page)"), at: min(page * 10 % 90, accounts.count))
            accounts.swapAt(0, accounts.count - 1)
            accounts += [AccountID(literal: "late-\(page)")]
        }
        await #expect(throws: BillingFailure.sourceFailed) { try await accounts(restless) }
        let dead = Directory(95, expires: Set(stride(from: 2, to: 100, by: 2)))
        await #expect(throws: BillingFailure.sourceFailed) { try await accounts(dead) }
    }

    @Test("are taken for found where nobody says how many there are, or as many as are never shown")
    func totals() async throws {
        #expect(try await accounts(Directory(25, saysTotal: false)).count == 25)
        struct Boaster: SubAccountDirectory {
            func page(
                of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
            ) async throws(BillingFailure) -> SubAccountPage {
                SubAccountPage(accounts: [AccountID(literal: "a")], next: nil, total: 2)
            }
        }
        let list = try await AccountLists(directory: Boaster(), time: TestClock()).accounts(of: nil, .all)
        #expect(list.count == 1)
    }

    @Test("are found by one walk for all who want them, and kept for a while")
    func shared() async throws {
        let clock = TestClock()
        let directory = Directory(25)
        let lists = AccountLists(directory: directory, time: clock)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await lists.accounts(of: nil, .all).count } }
            for try await count in group { #expect(count == 25) }
        }
        #expect(await directory.pages == 3)
        clock.advance(by: .seconds(299))
        _ = try await lists.accounts(of: nil, .all)
        #expect(await directory.pages == 3)
        _ = try await lists.accounts(of: nil, .all, ageMax: .seconds(100))
        #expect(await directory.pages == 6)
        _ = try await lists.accounts(of: nil, SubAccountFilter(reseller: "r"))
        #expect(await directory.pages == 9)
        lists.removeAll()
        _ = try await lists.accounts(of: nil, .all)
        #expect(await directory.pages == 12)
    }
}
