import Domain
import DomainFakes
import Testing

/// `FakeDirectory` has ten accounts on a page.
@Suite("Account lists that replicas share", .timeLimit(.minutes(10)))
struct ListsOfReplicasTests {
    private static let accounts = (0..<25).map { AccountID(literal: "a\(1000 + $0 * 7919 % 1009)") }

    /// Replicas with one store, and a directory whose second page waits for the test if `isHeld`.
    private struct Replicas {
        let clock = TestClock()
        let store: FakeSharedLists
        let directory: FakeDirectory
        let requested = Signal()
        let released = Signal()

        init(isHeld: Bool = false) {
            store = FakeSharedLists(time: clock)
            directory = FakeDirectory(accounts) { [requested, released] call async throws(BillingFailure) in
                guard isHeld, call == 2 else { return }
                requested.fire()
                try await released.waitInSource()
            }
        }

        func lists(_ shared: (any SharedAccountLists)? = nil) -> AccountListCache {
            AccountListCache(directory: directory, shared: shared ?? store.replica(), time: clock)
        }

        /// Lets the tasks that wait look again.
        func poll(_ waiting: Int) async throws {
            try await clock.sleepers(waiting)
            clock.advance(by: .seconds(1))
        }
    }

    @Test("A replica uses the list of another one, with its records and age, and makes no request")
    func found() async throws {
        let replicas = Replicas()
        let (first, second) = (replicas.lists(), replicas.lists())
        let listed = try await first.snapshot(of: nil, .all, maxAge: nil)
        await first.close()
        replicas.clock.advance(by: .seconds(200))
        let found = try await second.snapshot(of: nil, .all, maxAge: nil)
        #expect(replicas.directory.requests.count == 3)
        #expect(found.list == listed.list && found.asOf == listed.asOf)
        #expect(found.age(at: replicas.clock.now) == .seconds(200))
        let records = try #require(found.records)
        #expect((0..<25).allSatisfy { records[$0] == FakeDirectory.record(of: found.list[$0]) })
        // After the lifetime, no replica uses the list.
        replicas.clock.advance(by: .seconds(101))
        _ = try await second.snapshot(of: nil, .all, maxAge: nil)
        #expect(replicas.directory.requests.count == 6)
    }

    @Test("Three replicas that need the list at once make the requests for one, and each knows what has changed for it")
    func coalesced() async throws {
        let replicas = Replicas(isHeld: true)
        let caches = (0..<3).map { _ in replicas.lists() }
        async let first = caches[0].snapshot(of: nil, .all, maxAge: nil)
        try await replicas.requested.wait()
        async let second = caches[1].snapshot(of: nil, .all, maxAge: nil)
        async let third = caches[2].snapshot(of: nil, .all, maxAge: nil)
        try await replicas.poll(2)
        try await replicas.clock.sleepers(2)
        replicas.released.fire()
        let list = try await first.list
        await caches[0].close()
        replicas.clock.advance(by: .seconds(1))
        let (other, another) = try await (second, third)
        #expect(other.list == list && another.list == list && list.count == 25)
        #expect(replicas.directory.requests.count == 3)

        replicas.clock.advance(by: .seconds(10))
        replicas.directory.change { $0.removeLast() }
        let fourth = replicas.lists()
        _ = try await fourth.snapshot(of: nil, .all, maxAge: .zero)
        await fourth.close()
        let changed = try await caches[1].snapshot(of: nil, .all, maxAge: .seconds(1))
        #expect(replicas.directory.requests.count == 6)
        let difference = try changed.history.difference(since: other.currentSince)
        #expect(difference.removed == AccountList([Self.accounts[24]]) && difference.added.count == 0)
    }

    @Test("A replica lists when the one that was listing is gone, after the claim of that one has ended")
    func killed() async throws {
        let replicas = Replicas()
        // This replica never ends its claim.
        _ = await replicas.store.replica().find(.all, under: nil, claim: .seconds(15)) { _ in true }
        let cache = replicas.lists()
        async let snapshot = cache.snapshot(of: nil, .all, maxAge: nil)
        try await replicas.poll(1)
        try await replicas.clock.sleepers(1)
        #expect(replicas.directory.requests.isEmpty)
        replicas.clock.advance(by: .seconds(15))
        #expect(try await snapshot.list.count == 25)
    }

    @Test("A replica lists at once when the request of the one that was listing is cancelled")
    func cancelled() async throws {
        let replicas = Replicas(isHeld: true)
        let (first, second) = (replicas.lists(), replicas.lists())
        let cancelled = Task { try await first.snapshot(of: nil, .all, maxAge: nil) }
        try await replicas.requested.wait()
        async let snapshot = second.snapshot(of: nil, .all, maxAge: nil)
        try await replicas.clock.sleepers(1)
        cancelled.cancel()
        await first.close()
        replicas.released.fire()
        replicas.clock.advance(by: .milliseconds(50))
        #expect(try await snapshot.list.count == 25)
    }

    @Test("A request for a newer list than the stored one lists again, for all replicas")
    func newer() async throws {
        let replicas = Replicas()
        let (first, second) = (replicas.lists(), replicas.lists())
        _ = try await first.snapshot(of: nil, .all, maxAge: nil)
        await first.close()
        replicas.clock.advance(by: .seconds(10))
        let age = try await second.snapshot(of: nil, .all, maxAge: .seconds(9)).age(at: replicas.clock.now)
        #expect(age == .zero)
        await second.close()
        #expect(replicas.directory.requests.count == 6)
        let third = replicas.lists()
        #expect(try await third.snapshot(of: nil, .all, maxAge: nil).age(at: replicas.clock.now) == .zero)
        #expect(replicas.directory.requests.count == 6)
    }

    /// Passes on what another store finds, when the test permits it.
    private struct HeldStore: SharedAccountLists {
        let store: any SharedAccountLists
        let found = Signal()
        let released = Signal()

        func find(
            _ filter: SubAccountFilter, under master: Name?, claim: Duration,
            isWanted: @Sendable (SharedAccountList.Times) -> Bool
        ) async -> SharedListFinding {
            let finding = await store.find(filter, under: master, claim: claim, isWanted: isWanted)
            found.fire()
            try? await released.wait()
            return finding
        }

        func extendClaim(_ filter: SubAccountFilter, under master: Name?, to claim: Duration) async {
            await store.extendClaim(filter, under: master, to: claim)
        }

        func endClaim(_ filter: SubAccountFilter, under master: Name?) async {
            await store.endClaim(filter, under: master)
        }

        func put(
            _ list: SharedAccountList, _ filter: SubAccountFilter, under master: Name?, timeToLive: Duration
        ) async {
            await store.put(list, filter, under: master, timeToLive: timeToLive)
        }
    }

    @Test("A request that needs a newer list, and comes while the stored one is read, gets a newer one")
    func stricter() async throws {
        let replicas = Replicas()
        let first = replicas.lists()
        _ = try await first.snapshot(of: nil, .all, maxAge: nil)
        await first.close()
        replicas.clock.advance(by: .seconds(10))
        let held = HeldStore(store: replicas.store.replica())
        let second = replicas.lists(held)
        async let permissive = second.snapshot(of: nil, .all, maxAge: nil)
        try await held.found.wait()
        let feed = second.arrivingAccounts(of: nil, .all, maxAge: .seconds(5))
        held.released.fire()
        #expect(try await permissive.age(at: replicas.clock.now) == .zero)
        #expect(feed.count == 25)
        #expect(replicas.directory.requests.count == 6)
    }

    @Test(
        "A reader in the order of arrival gets a stored list at once, and does not wait for another replica's listing")
    func arrival() async throws {
        let replicas = Replicas()
        let (first, second) = (replicas.lists(), replicas.lists())
        _ = await replicas.store.replica().find(.all, under: nil, claim: .seconds(15)) { _ in true }
        let listed = first.arrivingAccounts(of: nil, .all)
        while listed.count == nil { await listed.waitForMore() }
        await first.close()
        #expect(replicas.directory.requests.count == 3)
        let found = second.arrivingAccounts(of: nil, .all)
        await found.waitForMore()
        var accounts: [AccountID] = []
        while case .account(let account) = found.next() { accounts.append(account) }
        #expect(accounts == Self.accounts.sorted() && found.count == 25)
        #expect(replicas.directory.requests.count == 3)
    }

    @Test("Without its store, each replica lists for itself, and a list of chosen accounts is never shared")
    func alone() async throws {
        let replicas = Replicas()
        let chosen = AllowList(Self.accounts.prefix(3))
        for _ in 0..<2 {
            _ = try await replicas.lists().snapshot(of: nil, .all, chosen: chosen, directives: .none)
        }
        let requests = replicas.directory.requests.count
        replicas.store.setAway(true)
        for number in 1...2 {
            let cache = replicas.lists()
            #expect(try await cache.snapshot(of: nil, .all, maxAge: nil).list.count == 25)
            #expect(replicas.directory.requests.count == requests + 3 * number)
        }
        replicas.store.setAway(false)
        let cache = replicas.lists()
        _ = try await cache.snapshot(of: nil, .all, maxAge: nil)
        #expect(replicas.directory.requests.count == requests + 9)
    }

    @Test("A list with its records survives storage, and a part of its stored form is no list", arguments: 1...20)
    func packing(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let ids = (0..<Int.random(in: 0...40, using: &random)).map { AccountID(literal: "id-\($0)") }
            .shuffled(using: &random)
        var rules = AccountListCache.Rules()
        if seed.isMultiple(of: 3) { rules.recordBytesMax = 0 }
        let cache = AccountListCache(directory: FakeDirectory(ids), time: TestClock(), rules: rules)
        let snapshot = try await cache.snapshot(of: nil, .all, maxAge: nil)
        let times = SharedAccountList.Times(age: .seconds(3), took: .seconds(2))
        let packed = SharedAccountList(snapshot.list, snapshot.records, times).packed
        let list = try #require(SharedAccountList(unpacking: packed, times))
        #expect(list.list == snapshot.list && list.times == times)
        #expect((list.records == nil) == (snapshot.records == nil))
        if let records = list.records {
            #expect(records.count == ids.count)
            #expect((0..<records.count).allSatisfy { records[$0] == FakeDirectory.record(of: list.list[$0]) })
        }
        #expect(SharedAccountList(unpacking: packed + [0], times) == nil)
        for _ in 0..<50 {
            let part = Array(packed.prefix(Int.random(in: 0..<packed.count, using: &random)))
            #expect(SharedAccountList(unpacking: part, times) == nil)
            // Any bytes are refused or read, and never trap.
            var changed = packed
            changed[Int.random(in: 0..<packed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = SharedAccountList(unpacking: changed, times)
        }
    }
}
