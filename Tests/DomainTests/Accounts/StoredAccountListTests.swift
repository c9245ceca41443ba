import Domain
import DomainFakes
import Testing

@Suite("Stored account lists", .timeLimit(.minutes(1)))
struct StoredAccountListTests {
    private static let start: Int64 = 1_769_860_800
    private let directory = FakeDirectory((0..<25).map { AccountID(literal: "a\(100 + $0 * 7 % 25)") })

    /// A cache as after a restart, some seconds after `start`.
    private func restarted(after seconds: Int64) -> (lists: AccountListCache, clock: TestClock) {
        let clock = TestClock(start: Timestamp(secondsSinceEpoch: Self.start + seconds))
        return (AccountListCache(directory: directory, time: clock), clock)
    }

    @Test(
        "A restored list is used until it is too old, counted from its listing, and knows the lists before the restart")
    func restored() async throws {
        let (lists, clock) = restarted(after: 0)
        #expect(lists.takeChangedLists().isEmpty)
        let master = Name(literal: "main")
        let first = try await lists.snapshot(of: master, .all, maxAge: nil)
        clock.advance(by: .seconds(10))
        directory.change { accounts in _ = accounts.removeFirst() }
        let second = try await lists.snapshot(of: master, .all, maxAge: .zero)
        _ = try await lists.snapshot(of: master, SubAccountFilter(reseller: "r"), maxAge: .zero)
        clock.advance(by: .seconds(5))
        let stored = lists.takeChangedLists()
        #expect(stored.map(\.master) == [master] && stored.map(\.asOf) == [(Self.start + 10) * 1000])
        #expect(lists.takeChangedLists().isEmpty)

        let calls = directory.requests.count
        let (restarted, later) = restarted(after: 100)
        #expect(restarted.restore(stored[0]))
        let restored = try await restarted.snapshot(of: master, .all, maxAge: nil)
        #expect(restored.list == second.list && restored.asOf == second.asOf && directory.requests.count == calls)
        #expect(restored.age(at: later.now) == .seconds(90))
        // A list that became the current one after the list had been stored may be lost.
        let (taken, restart) = ((Self.start + 15) * 1000, (Self.start + 100) * 1000)
        #expect(restored.currentSince == restart)
        #expect(try restored.history.difference(since: first.currentSince).removed.count == 1)
        #expect(try restored.history.difference(since: taken).isEmpty)
        for moment in [taken + 1, restart - 1] {
            #expect(throws: AccountListHistory.Incomplete(completeSince: restart)) {
                try restored.history.difference(since: moment)
            }
        }
        #expect(try restored.history.difference(since: restart).isEmpty)
        later.advance(by: .seconds(210))
        directory.change { accounts in _ = accounts.removeFirst() }
        _ = try await restarted.snapshot(of: master, .all, maxAge: nil)
        #expect(directory.requests.count == calls)
        later.advance(by: .seconds(1))
        let next = try await restarted.snapshot(of: master, .all, maxAge: nil)
        #expect(directory.requests.count > calls)
        #expect(try next.history.difference(since: first.currentSince).removed.count == 2)
        #expect(try next.history.difference(since: taken).removed.count == 1)
    }

    @Test("Lists that could not be stored are taken again, and after a new file was begun all lists")
    func again() async throws {
        let (lists, _) = restarted(after: 0)
        _ = try await lists.accounts(of: nil, .all)
        let stored = lists.takeChangedLists()
        lists.countAsChanged(stored.map(\.master))
        #expect(lists.takeChangedLists() == stored && lists.takeChangedLists().isEmpty)
        lists.countAllAsChanged()
        #expect(lists.takeChangedLists() == stored)
        // After a change of the credentials, the stored list must not come back.
        lists.removeAll()
        let removed = try #require(lists.takeChangedLists().first)
        #expect(removed.master == nil && removed.content.isEmpty && !restarted(after: 1).lists.restore(removed))
    }

    @Test("A stored list is not used if it is damaged, from the future, or older than the list in the cache")
    func unusable() async throws {
        let (lists, _) = restarted(after: 0)
        _ = try await lists.accounts(of: nil, .all)
        let stored = try #require(lists.takeChangedLists().first)
        for length in [0, 1, 30, stored.content.count - 1] {
            let damaged = AccountListCache.StoredList(
                master: nil, content: Array(stored.content.prefix(length)), asOf: stored.asOf)
            #expect(!restarted(after: 1).lists.restore(damaged))
        }
        let (earlier, _) = restarted(after: -60)
        #expect(earlier.restore(stored))
        #expect(earlier.cached(of: nil, .all, directives: .none, at: TestClock().now) == nil)
        directory.change { $0 = [] }
        let (later, clock) = restarted(after: 60)
        #expect(try await later.accounts(of: nil, .all).count == 0)
        #expect(later.restore(stored))
        #expect(later.cached(of: nil, .all, directives: .none, at: clock.now)?.list.count == 0)
    }
}
