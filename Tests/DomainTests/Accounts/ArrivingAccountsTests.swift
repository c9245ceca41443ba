import Domain
import DomainFakes
import Testing

/// The accounts of a listing as its pages arrive. `FakeDirectory` has ten accounts on a page.
@Suite("Accounts in the order of arrival", .timeLimit(.minutes(10)))
struct ArrivingAccountsTests {
    /// `a000` and so on, in no order.
    private static func ids(_ count: Int) -> [AccountID] {
        (0..<count).map { AccountID(literal: "a\(1000 + $0 * 7919 % 1009)") }
    }

    /// A directory whose pages wait for the test, from the second one on.
    private struct HeldDirectory {
        let directory: FakeDirectory
        let requested = Signal()
        private let released = Signal()

        init(_ accounts: [AccountID]) {
            directory = FakeDirectory(accounts) { [requested, released] call async throws(BillingFailure) in
                guard call > 1 else { return }
                requested.fire()
                try await released.waitInSource()
            }
        }

        func release() { released.fire() }
    }

    /// The items that are there without waiting.
    private func available(_ feed: any AccountFeed) -> (accounts: [AccountID], last: AccountFeedItem) {
        var accounts: [AccountID] = []
        while true {
            let item = feed.next()
            guard case .account(let account) = item else { return (accounts, item) }
            accounts.append(account)
        }
    }

    /// All accounts, and the item after them.
    private func all(_ feed: any AccountFeed) async throws -> (accounts: [AccountID], last: AccountFeedItem) {
        var accounts: [AccountID] = []
        while true {
            let (new, last) = available(feed)
            accounts += new
            guard last == .pending else { return (accounts, last) }
            await feed.waitForMore()
            try Task.checkCancellation()
        }
    }

    @Test("The accounts of the first page are there before the second page, and the number of accounts at the end")
    func firstPage() async throws {
        let accounts = Self.ids(25)
        let held = HeldDirectory(accounts)
        let lists = AccountListCache(directory: held.directory, time: TestClock())
        let feed = lists.arrivingAccounts(of: nil, .all)
        try await held.requested.wait()
        #expect(available(feed) == (Array(accounts.prefix(10)), .pending))
        #expect(feed.count == nil && feed.awaited == .accountList)
        held.release()
        #expect(try await all(feed) == (Array(accounts.dropFirst(10)), .end))
        #expect(feed.count == 25 && feed.remaining == 0)
        await lists.close()
    }

    @Test("A later reader gets the accounts that have arrived, and shares the rest of the listing")
    func shared() async throws {
        let accounts = Self.ids(35)
        let held = HeldDirectory(accounts)
        let lists = AccountListCache(directory: held.directory, time: TestClock())
        let first = lists.arrivingAccounts(of: nil, .all)
        try await held.requested.wait()
        #expect(available(first).accounts == Array(accounts.prefix(10)))
        let second = lists.arrivingAccounts(of: nil, .all)
        #expect(available(second).accounts == Array(accounts.prefix(10)))
        async let list = lists.accounts(of: nil, .all)
        held.release()
        async let rest = all(first)
        #expect(try await all(second).accounts == Array(accounts.dropFirst(10)))
        #expect(try await rest.accounts == Array(accounts.dropFirst(10)))
        #expect(try await list.count == 35)
        #expect(held.directory.requests.count == 4)
        // Now the list is cached, and read in order.
        let cached = lists.arrivingAccounts(of: nil, .all)
        #expect(cached.count == 35 && available(cached) == (accounts.sorted(), .end))
        #expect(held.directory.requests.count == 4)
        await lists.close()
    }

    @Test(
        "Each account is given once, and all of the complete list, while accounts come, go and repeat between the pages",
        arguments: 1...40)
    func once(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let ids = Self.ids(Int.random(in: 0...120, using: &random))
        let directory = ChangingDirectory(
            ids.flatMap { Int.random(in: 0...7, using: &random) == 0 ? [$0, $0] : [$0] }.shuffled(using: &random),
            removing: ids.shuffled(using: &random).prefix(Int.random(in: 0...9, using: &random)))
        let lists = AccountListCache(directory: directory, time: TestClock())
        let feed = lists.arrivingAccounts(of: nil, .all)
        let (given, last) = try await all(feed)
        #expect(Set(given).count == given.count)
        #expect(last == .end)
        let list = try await lists.accounts(of: nil, .all)
        #expect(given.sorted() == (0..<list.count).map { list[$0] } && feed.count == list.count)
        #expect(Set(given).isSuperset(of: Set(ids).subtracting(directory.removed)))
        await lists.close()
    }

    /// Removes one account and adds another one before each page, as long as there is one to remove.
    private final class ChangingDirectory: SubAccountDirectory {
        let removed: [AccountID]
        private let pages: FakeDirectory

        init(_ accounts: [AccountID], removing removed: some Sequence<AccountID>) {
            self.removed = Array(removed)
            pages = FakeDirectory(accounts)
        }

        func page(
            of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
        ) async throws(BillingFailure) -> SubAccountPage {
            let call = pages.requests.count
            if call < removed.count {
                let account = removed[call]
                pages.change { accounts in
                    accounts.removeAll { $0 == account }
                    accounts.insert(AccountID(literal: "new-\(call)"), at: accounts.count * call / 10)
                }
            }
            return try await pages.page(of: master, request, for: purpose)
        }
    }

    @Test("With a limit, the feed gives no more accounts, and ends with the number of further accounts")
    func limit() async throws {
        let accounts = Self.ids(25)
        for limit in [3, 10, 25, 30] {
            let held = HeldDirectory(accounts)
            let lists = AccountListCache(directory: held.directory, time: TestClock())
            let feed = lists.arrivingAccounts(of: nil, .all, limit: limit)
            try await held.requested.wait()
            #expect(available(feed) == (Array(accounts.prefix(min(limit, 10))), .pending))
            #expect(feed.count == nil && feed.remaining == 0)
            held.release()
            let (rest, last) = try await all(feed)
            #expect(rest.count == min(limit, 25) - min(limit, 10) && last == .end)
            #expect(feed.count == min(limit, 25) && feed.remaining == max(25 - limit, 0))
            await lists.close()
        }
    }

    @Test("A listing that fails ends the feed with the failure, after the accounts that had arrived")
    func failure() async throws {
        let accounts = Self.ids(25)
        let directory = FakeDirectory(accounts) { call async throws(BillingFailure) in
            if call == 3 { throw .credentialsRefused }
        }
        let lists = AccountListCache(directory: directory, time: TestClock())
        let feed = lists.arrivingAccounts(of: nil, .all)
        #expect(try await all(feed) == (Array(accounts.prefix(20)), .failed(.credentialsRefused)))
        await lists.close()
        #expect(try await all(lists.arrivingAccounts(of: nil, .all)) == ([], .failed(.cancelled)))
    }

    @Test("A listing continues while one of its readers is left, and is cancelled when the last one has left")
    func leaving() async throws {
        let secondPage = Signal()
        let cancelled = Signal()
        let begunAgain = Signal()
        let directory = FakeDirectory(Self.ids(25)) { call async throws(BillingFailure) in
            guard call > 1 else { return }
            (call == 2 ? secondPage : begunAgain).fire()
            do throws(BillingFailure) {
                try await Signal().waitInSource()
            } catch {
                cancelled.fire()
                throw error
            }
        }
        let lists = AccountListCache(directory: directory, time: TestClock())
        var feeds = [lists.arrivingAccounts(of: nil, .all), lists.arrivingAccounts(of: nil, .all)]
        try await secondPage.wait()
        feeds.removeFirst()
        #expect(available(feeds[0]).accounts.count == 10)
        #expect(directory.requests.count == 2)
        feeds = []
        try await cancelled.wait()
        // A new reader begins a new listing.
        let next = lists.arrivingAccounts(of: nil, .all)
        try await begunAgain.wait()
        #expect(directory.requests.last?.start == .number(1))
        _ = next
        await lists.close()
    }
}
