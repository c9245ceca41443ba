import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Cached invoices", .timeLimit(.minutes(10)))
struct InvoiceCacheTests {
    private let a = AccountID(literal: "a")
    private let clock = TestClock()
    private static let today = CalendarDate(of: Timestamp(secondsSinceEpoch: 1_769_860_800))

    private static func period(_ from: String, _ to: String) throws(BillingFailure) -> InvoicePeriod {
        try InvoicePeriod(from: from, to: to, today: today)
    }

    /// The source's list: the invoices with a date in the period.
    private static func list(
        _ all: [(id: String, date: String?)], _ read: AccountRead, members: [String] = ["currency"]
    ) -> SourceAnswer {
        guard case .period(let period)? = read.parameter else { return .document(SourceDocument(text: [])) }
        let invoices = all.compactMap { id, date -> InvoiceList.Invoice? in
            let day = date.flatMap { CalendarDate($0) }
            guard day.map(period.contains) ?? true else { return nil }
            return .init(id: InvoiceID(id), date: day, document: SourceDocument(text: Array(id.utf8)))
        }
        return .invoices(
            InvoiceList(members: members.map { UnreadMember(name: $0, value: [48]) }, invoices: invoices))
    }

    private static let invoices = [("i1", "2025-01-15"), ("i2", "2025-04-15"), ("i3", "2025-08-15")]

    private func cache(_ source: FakeSource, _ change: (inout CacheRules) -> Void = { _ in }) -> BillingCache {
        var rules = CacheRules()
        change(&rules)
        return BillingCache(source: source, time: clock, rules: rules, codec: FakeCodec())
    }

    private func get(
        _ cache: BillingCache, _ from: String, _ to: String, of account: AccountID? = nil, under master: Name? = nil,
        _ directives: CacheDirectives = .none
    ) async throws -> (entry: CacheEntry, listed: FakeResponse) {
        let entry = try await cache.entry(
            for: .invoices(of: account ?? a, in: Self.period(from, to)), under: master, for: .interactive,
            directives: directives)
        return (entry, entry.fake)
    }

    @Test("Cached invoices: a period inside a cached one is answered from it, with its age, time and lifetime")
    func inside() async throws {
        let source = FakeSource.answering { read, _ in Self.list(Self.invoices, read) }
        let cache = cache(source)
        let whole = try await get(cache, "2025-01-01", "2025-12-31")
        #expect(whole.listed.ids == ["i1", "i2", "i3"])
        clock.advance(by: .seconds(100))
        let part = try await get(cache, "2025-04-01", "2025-09-01")
        #expect(part.listed.ids == ["i2", "i3"] && part.entry.age(at: clock.now) == .seconds(100))
        #expect(part.listed.asOf == whole.listed.asOf && part.listed.lifetime == whole.listed.lifetime)
        // The derived list is cached as well, and other ones derive from the first.
        #expect(try await get(cache, "2025-04-01", "2025-09-01").entry === part.entry)
        #expect(try await get(cache, "2025-05-01", "2025-06-01").listed.ids == [])
        let now = clock.now
        #expect(
            cache.cached(
                .invoices(of: a, in: try Self.period("2025-08-15", "2025-08-15")), under: nil, directives: .none,
                at: now)
                != nil)
        #expect(source.reads.count == 1 && cache.size.entries == 4 && cache.counts.missed == 1)
        // It expires with the first.
        clock.advance(by: whole.listed.lifetime)
        _ = try await get(cache, "2025-04-01", "2025-09-01")
        #expect(source.reads.count == 2)
    }

    @Test("Cached invoices: no list derives for another account, master account or a period that is not inside")
    func outside() async throws {
        let source = FakeSource.answering { read, _ in Self.list(Self.invoices, read) }
        let cache = cache(source)
        _ = try await get(cache, "2025-01-01", "2025-12-31")
        _ = try await get(cache, "2025-02-01", "2025-03-31", of: AccountID(literal: "b"))
        _ = try await get(cache, "2025-02-01", "2025-03-31", under: Name(literal: "second"))
        _ = try await get(cache, "2024-12-31", "2025-03-31")
        _ = try await get(cache, "2025-12-31", "2026-01-01")
        #expect(source.reads.count == 5)
    }

    @Test("Cached invoices: no list derives from one that the source may have selected otherwise")
    func otherSelection() async throws {
        for (invoices, members) in [
            (Self.invoices + [("i4", nil)], ["currency"]), (Self.invoices, ["currency", "total"]),
        ] as [([(id: String, date: String?)], [String])] {
            let source = FakeSource.answering { read, _ in Self.list(invoices, read, members: members) }
            let cache = cache(source)
            _ = try await get(cache, "2025-01-01", "2025-12-31")
            _ = try await get(cache, "2025-02-01", "2025-03-31")
            #expect(source.reads.count == 2)
        }
    }

    @Test("Cached invoices: no list derives from a failure, from a list that is too old, or for no-cache")
    func directives() async throws {
        let failing = AccountRead.invoices(of: a, in: try Self.period("2025-01-01", "2025-12-31"))
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            if read == failing { throw .accountIsFree }
            return Self.list(Self.invoices, read)
        }
        let cache = cache(source)
        #expect(try await get(cache, "2025-01-01", "2025-12-31").entry.failure == .accountIsFree)
        #expect(try await get(cache, "2025-02-01", "2025-08-31").listed.ids == ["i2", "i3"])
        #expect(source.reads.count == 2)
        clock.advance(by: .seconds(50))
        var directives = CacheDirectives()
        directives.maxAge = .seconds(50)
        #expect(try await get(cache, "2025-03-01", "2025-08-31", directives).entry.age(at: clock.now) == .seconds(50))
        directives.maxAge = .seconds(49)
        #expect(try await get(cache, "2025-04-01", "2025-08-31", directives).entry.age(at: clock.now) == .zero)
        var noCache = CacheDirectives()
        noCache.noCache = true
        #expect(try await get(cache, "2025-03-01", "2025-08-31", noCache).entry.age(at: clock.now) == .zero)
        #expect(source.reads.count == 4)
        var onlyIfCached = CacheDirectives()
        onlyIfCached.onlyIfCached = true
        #expect(try await get(cache, "2025-05-01", "2025-06-30", onlyIfCached).listed.ids == [])
    }

    @Test("Cached invoices: a list with a quota lives for the even interval of its quota, and is not refreshed ahead")
    func lifetime() async throws {
        let source = FakeSource.answering { read, _ in Self.list(Self.invoices, read) }
        let cache = cache(source) { $0.ttl = .seconds(300) }
        let entry = try await get(cache, "2025-01-01", "2025-12-31").listed
        // Six a day.
        #expect(entry.lifetime == .seconds(14_400))
        for _ in 0..<10 {
            clock.advance(by: .seconds(1439))
            _ = try await get(cache, "2025-01-01", "2025-12-31")
        }
        #expect(source.reads.count == 1 && cache.counts.revalidations == 0 && !cache.isFetching)
        clock.advance(by: .seconds(10))
        _ = try await get(cache, "2025-01-01", "2025-12-31")
        #expect(source.reads.count == 2)
        // A longer lifetime in the settings counts. Details live for half an hour.
        let longer = self.cache(source) { $0.ttl = .seconds(20_000) }
        #expect(try await get(longer, "2025-01-01", "2025-12-31").listed.lifetime == .seconds(20_000))
        let details = try await cache.entry(
            for: .invoice(try #require(InvoiceID("i1")), of: a), under: nil, for: .interactive, directives: .none)
        #expect((details.response as? FakeResponse)?.lifetime == .seconds(1800))
        let off = self.cache(source) { $0.ttl = .zero }
        _ = try await get(off, "2025-01-01", "2025-12-31")
        #expect(off.size.entries == 0)
    }

    @Test("Cached invoices: the memory of a list is counted, and its period is forgotten when the list is evicted")
    func evicted() async throws {
        let many = (0..<1000).map { ("invoice-\($0)", "2025-01-15" as String?) }
        let source = FakeSource.answering { read, _ in Self.list(many, read) }
        let cache = cache(source) { $0.bytesMax = 2_000_000 }
        _ = try await get(cache, "2025-01-01", "2025-12-31")
        #expect(cache.size.bytes > 100_000)
        for number in 0..<100 {
            _ = try await get(cache, "2025-01-01", "2025-12-31", of: AccountID(literal: "other-\(number)"))
        }
        #expect(cache.counts.evicted > 0 && cache.size.bytes <= 2_000_000)
        let before = source.reads.count
        // Evicted lists are requested again, and answers are right either way.
        for number in 0..<100 {
            let account = AccountID(literal: "other-\(number)")
            #expect(try await get(cache, "2025-02-01", "2025-12-31", of: account).listed.ids == [])
        }
        #expect(source.reads.count > before && source.reads.count < before + 100)
        cache.removeAll()
        _ = try await get(cache, "2025-02-01", "2025-12-31")
        #expect(cache.size.entries == 1)
    }

    @Test(
        "Cached invoices: every answer is the source's of that time, for random periods",
        arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        // The invoices change while time passes.
        let state = Mutex<[(id: String, date: String?)]>([])
        let source = FakeSource.answering { read, _ in Self.list(state.withLock { $0 }, read) }
        let cache = cache(source)
        var history: [(moment: Moment, invoices: [(id: String, date: String?)])] = []
        func day() -> String {
            let month = Int.random(in: 1...12, using: &random)
            return "2025-\(month < 10 ? "0" : "")\(month)-\(Int.random(in: 10...28, using: &random))"
        }
        for step in 0..<300 {
            if step % 10 == 0 {
                state.withLock { $0 = (0..<Int.random(in: 0...6, using: &random)).map { ("i\(step)-\($0)", day()) } }
            }
            history.append((clock.now, state.withLock { $0 }))
            let (from, to) = { $0 < $1 ? ($0, $1) : ($1, $0) }(day(), day())
            let before = source.reads.count
            let (entry, listed) = try await get(cache, from, to)
            let received = clock.now - entry.age(at: clock.now)
            let then = try #require(history.last { $0.moment == received })
            let period = try Self.period(from, to)
            let expected = then.invoices.filter { $0.date.flatMap { CalendarDate($0) }.map(period.contains) ?? false }
            #expect(listed.ids == expected.map(\.id), "step \(step) of seed \(seed)")
            #expect(entry.isFresh(at: clock.now) && source.reads.count <= before + 1)
            clock.advance(by: .seconds(Int.random(in: 1...2000, using: &random)))
        }
        #expect(source.reads.count < 250)
    }

    // MARK: Calls that the source limits

    @Test("Cached invoices: a call survives its last waiter, and its answer is cached")
    func survives() async throws {
        let release = Signal()
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            try await release.waitInSource()
            return Self.list(Self.invoices, read)
        }
        let cache = cache(source)
        let waiter = Task { try await get(cache, "2025-01-01", "2025-12-31").listed.ids }
        while source.calls.isEmpty {
            try Task.checkCancellation()
            await Task.yield()
        }
        waiter.cancel()
        await #expect(throws: BillingFailure.cancelled) { try await waiter.value }
        #expect(cache.isFetching)
        release.fire()
        #expect(try await get(cache, "2025-01-01", "2025-12-31").listed.ids == ["i1", "i2", "i3"])
        #expect(source.reads.count == 1)
    }

    @Test("Cached invoices: requests of any priority and queue timeout share one call, which is not started again")
    func shared() async throws {
        let release = Signal()
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            try await release.waitInSource()
            return Self.list(Self.invoices, read)
        }
        let cache = cache(source)
        let read = AccountRead.invoices(of: a, in: try Self.period("2025-01-01", "2025-12-31"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for purpose in [
                Purpose.bulk, .interactive, .interactive(for: nil, queueTimeout: .seconds(1)),
                .interactive(for: nil, queueTimeout: .seconds(2)),
            ] {
                group.addTask {
                    let entry = try await cache.entry(for: read, under: nil, for: purpose, directives: .none)
                    #expect(entry.fake.ids.count == 3)
                }
                while source.calls.isEmpty { await Task.yield() }
            }
            release.fire()
            try await group.waitForAll()
        }
        #expect(source.reads.count == 1)
    }
}
