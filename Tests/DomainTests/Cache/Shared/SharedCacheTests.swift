import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Answers shared by replicas", .timeLimit(.minutes(10)))
struct SharedCacheTests {
    private let account = AccountID(literal: "a")
    private let clock = TestClock()
    private let store: FakeSharedStore

    /// Of all replicas: it knows the answers that it has encoded.
    private let codec = FakeCodec()
    private let interactive = Purpose.interactive(for: nil)

    private var read: AccountRead { .billingInformation(of: account) }

    init() {
        store = FakeSharedStore(time: clock)
    }

    /// The cache of one replica.
    private struct Replica {
        let cache: BillingCache
        let shared: FakeSharedStore.Replica

        /// Reads the contact of an account; nil for a failure that is the answer.
        func city(_ read: AccountRead, _ directives: CacheDirectives = .none) async throws -> String? {
            try await entry(read, directives).fake.contact?[.city]
        }

        func entry(_ read: AccountRead, _ directives: CacheDirectives = .none) async throws -> CacheEntry {
            try await cache.entry(for: read, under: nil, for: .interactive(for: nil), directives: directives)
        }
    }

    /// - Parameter isListening: Whether the replica receives the changes of others.
    private func replica(_ source: any BillingSource, isListening: Bool = true) -> Replica {
        let shared = store.replica()
        let cache = BillingCache(
            source: source, time: clock, rules: CacheRules(), codec: codec, shared: shared)
        if isListening { shared.listen { cache.received($0) } }
        return Replica(cache: cache, shared: shared)
    }

    /// Runs `body` while the replicas share their changes.
    private func sharing(_ replicas: Replica..., body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for replica in replicas { tasks.addTask { await replica.cache.shareChanges() } }
            try await body()
            tasks.cancelAll()
        }
    }

    /// Answers with the city at the time of the request.
    ///
    /// - Parameters:
    ///   - arrived: Fired at each request.
    ///   - mayAnswer: The source waits for it; `nil` if it answers at once.
    private static func cities(
        _ city: City, _ arrived: Signal? = nil, _ mayAnswer: Signal? = nil
    ) -> FakeSource {
        FakeSource { _, _ async throws(BillingFailure) in
            let current = city.value
            arrived?.fire()
            try await mayAnswer?.waitInSource()
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
    }

    private static func change(_ city: City, _ replica: Replica, to name: String) {
        let account = AccountID(literal: "a")
        replica.cache.changeBegan(account, invalidating: [.getBillingInformation])
        city.value = name
        replica.cache.changeEnded(account, invalidating: [.getBillingInformation])
    }

    @Test("The answer that one replica has received is the answer of all, with its age")
    func once() async throws {
        let source = FakeSource()
        let (first, second) = (replica(source), replica(source))
        _ = try await first.entry(read)
        clock.advance(by: .seconds(100))
        let entry = try await second.entry(read)
        #expect(source.calls.count == 1)
        #expect(entry.age(at: clock.now) == .seconds(100))
        #expect(second.cache.sharedCounts?.hits == 1)
        // From now on it is cached.
        let calls = store.calls
        #expect(second.cache.cached(read, under: nil, directives: .none, at: clock.now) != nil)
        #expect(store.calls == calls)
    }

    @Test("A failure that is an answer is shared")
    func failure() async throws {
        let source = FakeSource { _, _ async throws(BillingFailure) in throw .selfPay }
        let (first, second) = (replica(source), replica(source))
        _ = try await first.entry(read)
        #expect(try await second.entry(read).failure == .selfPay)
        #expect(source.calls.count == 1)
    }

    @Test("no-cache asks the source, and its answer is the next one of other replicas")
    func noCache() async throws {
        let city = City("old")
        let source = Self.cities(city)
        let (first, second) = (replica(source), replica(source))
        _ = try await first.entry(read)
        city.value = "new"
        var directives = CacheDirectives()
        directives.noCache = true
        clock.advance(by: .milliseconds(1))
        #expect(try await first.city(read, directives) == "new")
        #expect(try await second.city(read) == "new")
        #expect(source.calls.count == 2)
    }

    @Test(
        "The owners of invoices are known on every replica that serves a list or details, wherever they come from",
        arguments: [false, true])
    func owners(isStream: Bool) async throws {
        let (listed, detailed) = (try #require(InvoiceID("i1")), try #require(InvoiceID("i2")))
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            let document = SourceDocument(text: Array("{}".utf8))
            guard case .period? = read.parameter else { return .document(document) }
            return .invoices(InvoiceList(members: [], invoices: [.init(id: listed, date: nil, document: document)]))
        }
        let today = CalendarDate(of: clock.timestamp)
        let period = try InvoicePeriod(from: "\(today)", to: "\(today)", today: today)
        let reads: [AccountRead] = [.invoices(of: account, in: period), .invoice(detailed, of: account)]
        for number in 0..<2 {
            let (owners, shared) = (InvoiceOwners(), store.replica())
            let cache = BillingCache(
                source: OwnerRecordingSource(source, owners: owners), time: clock, rules: CacheRules(), codec: codec,
                shared: OwnerRecordingAnswers(shared, owners: owners, codec: codec))
            shared.listen { cache.received($0) }
            if isStream, number > 0 {
                let directory = FakeDirectory([account])
                var options = ExportBilling.Options()
                options.kinds = [.invoices(period)]
                try await ExportBilling(
                    lists: AccountListCache(directory: directory, time: clock), cache: cache, source: source,
                    time: clock)(
                        options, for: .everything
                    ).run(to: StreamedLines())
                #expect(owners.owner(of: listed, under: nil) == account)
            }
            for read in reads {
                _ = try await cache.entry(for: read, under: nil, for: .interactive, directives: .none)
            }
            for invoice in [listed, detailed] { #expect(owners.owner(of: invoice, under: nil) == account) }
        }
        #expect(source.calls.count == 2)
    }

    @Test("A change on one replica removes the answer from the others and from the store")
    func change() async throws {
        let city = City("old")
        let source = Self.cities(city)
        let (first, second) = (replica(source), replica(source))
        #expect(try await first.city(read) == "old")
        #expect(try await second.city(read) == "old")
        try await sharing(first, second) {
            Self.change(city, first, to: "new")
            while second.cache.cached(read, under: nil, directives: .none, at: clock.now) != nil { await Task.yield() }
            while store.count > 0 { await Task.yield() }
        }
        #expect(try await second.city(read) == "new")
    }

    @Test("A replica that makes a change ignores the store's old answer until the store has recorded the change")
    func ownChange() async throws {
        let city = City("old")
        let replica = replica(Self.cities(city))
        #expect(try await replica.city(read) == "old")
        store.setAway(true)
        Self.change(city, replica, to: "new")
        store.setAway(false)
        #expect(store.count == 1)
        #expect(try await replica.city(read) == "new")
    }

    @Test(
        "A stream of a replica that makes a change ignores the store's old answer until the store has recorded the change"
    )
    func ownChangeInStream() async throws {
        let city = City("old")
        let source = FakeSource(listed: [account]) { _, _ async throws(BillingFailure) in
            let current = city.value
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
        let replica = replica(source)
        #expect(try await replica.city(read) == "old")
        // The store does not know of the change, since nothing is shared.
        Self.change(city, replica, to: "new")
        let export = try ExportBilling(
            lists: AccountListCache(directory: source, time: clock), cache: replica.cache, source: source, time: clock)(
                .init(), for: .everything)
        try await export.run(to: StreamedLines())
        #expect(store.count == 1 && source.calls.count == 2)
        #expect(try await replica.city(read) == "new")
    }

    @Test(
        "While the store does not know a replica's change of an account, the replica does not serve unchecked answers"
    )
    func uncheckedOwnChange() async throws {
        let city = City("old")
        let source = Self.cities(city)
        let (first, second) = (replica(source), replica(source))
        second.shared.lose()
        Self.change(city, second, to: "own")
        #expect(try await second.city(read) == "own")
        try await sharing(first) {
            Self.change(city, first, to: "new")
            await first.cache.waitUntilChangesAreShared()
        }
        #expect(try await second.city(read) == "new")
    }

    @Test("An answer whose read began before a change of another replica is not stored for others")
    func race() async throws {
        let city = City("old")
        let (arrived, mayAnswer) = (Signal(), Signal())
        let slow = Self.cities(city, arrived, mayAnswer)
        let (first, second) = (replica(slow), replica(Self.cities(city)))
        try await sharing(first, second) {
            async let before = first.city(read)
            try await arrived.wait()
            Self.change(city, second, to: "new")
            while try await store.isPending(second.shared, account) { await Task.yield() }
            mayAnswer.fire()
            #expect(try await before == "old")
        }
        #expect(store.count == 0)
        #expect(first.cache.cached(read, under: nil, directives: .none, at: clock.now) == nil)
    }

    @Test("A change ends when the store has recorded it, and at once while the store is away")
    func told() async throws {
        let city = City("old")
        let source = Self.cities(city)
        let (first, second) = (replica(source), replica(source))
        try await sharing(first, second) {
            for round in 0..<20 {
                #expect(try await second.city(read) == city.value)
                Self.change(city, first, to: "city-\(round)")
                await first.cache.waitUntilChangesAreShared()
                #expect(second.cache.cached(read, under: nil, directives: .none, at: clock.now) == nil)
            }
            store.setAway(true)
            Self.change(city, first, to: "later")
            // Ends although no time passes.
            await first.cache.waitUntilChangesAreShared()
            await first.cache.waitUntilChangesAreShared()
            store.setAway(false)
            try await clock.sleepers(1)
            clock.advance(by: .milliseconds(500))
            await first.cache.waitUntilChangesAreShared(within: .seconds(1))
            #expect(try await second.city(read) == "later")
        }
    }

    @Test("While the store is away, reads are answered, and after three failures it receives one call in five seconds")
    func away() async throws {
        let source = FakeSource()
        let replica = replica(source)
        store.setAway(true)
        for number in 0..<20 { _ = try await replica.entry(.billingInformation(of: AccountID(literal: "n\(number)"))) }
        #expect(source.calls.count == 20)
        #expect(store.calls == 3)
        #expect(replica.cache.sharedCounts?.failed == 3)
        clock.advance(by: .seconds(5))
        for number in 20..<30 { _ = try await replica.entry(.billingInformation(of: AccountID(literal: "n\(number)"))) }
        #expect(store.calls == 4)
        store.setAway(false)
        clock.advance(by: .seconds(5))
        for number in 30..<40 { _ = try await replica.entry(.billingInformation(of: AccountID(literal: "n\(number)"))) }
        #expect(store.count == 10)
    }

    @Test("Changes that were missed while the connection was lost are noticed before an answer is served")
    func lost() async throws {
        let city = City("old")
        let source = Self.cities(city)
        let (first, second) = (replica(source), replica(source))
        #expect(try await first.city(read) == "old")
        #expect(try await second.city(read) == "old")
        clock.advance(by: .seconds(10))
        second.shared.lose()
        try await sharing(first) {
            Self.change(city, first, to: "new")
            while store.count > 0 { await Task.yield() }
        }
        #expect(second.cache.cached(read, under: nil, directives: .none, at: clock.now) == nil)
        #expect(try await second.city(read) == "new")
        second.shared.listen { [cache = second.cache] in cache.received($0) }
        #expect(try await second.city(read) == "new")
    }

    @Test("A change that was missed during a long call of the source is noticed before its answer is served again")
    func lostDuringCall() async throws {
        let city = City("old")
        let (arrived, mayAnswer) = (Signal(), Signal())
        let slow = Self.cities(city, arrived, mayAnswer)
        let (first, second) = (replica(Self.cities(city)), replica(slow))
        second.shared.lose()
        try await sharing(first) {
            async let before = second.city(read)
            try await arrived.wait()
            Self.change(city, first, to: "new")
            await first.cache.waitUntilChangesAreShared()
            clock.advance(by: .seconds(5))
            mayAnswer.fire()
            #expect(try await before == "old")
            clock.advance(by: .seconds(1))
            #expect(try await second.city(read) == "new")
        }
    }

    @Test("After a lost connection, an unchanged answer is served without a call to the source")
    func unchanged() async throws {
        let source = FakeSource()
        let replica = replica(source)
        _ = try await replica.entry(read)
        clock.advance(by: .seconds(10))
        replica.shared.lose()
        _ = try await replica.entry(read)
        replica.shared.listen { [cache = replica.cache] in cache.received($0) }
        #expect(replica.cache.cached(read, under: nil, directives: .none, at: clock.now) == nil)
        _ = try await replica.entry(read)
        #expect(replica.cache.cached(read, under: nil, directives: .none, at: clock.now) != nil)
        // Also if the store has lost the answer.
        store.clear()
        replica.shared.lose()
        _ = try await replica.entry(read)
        #expect(source.calls.count == 1)
    }

    @Test("A store that stays away does not keep a cached answer from being served")
    func stillAway() async throws {
        let source = FakeSource()
        let replica = replica(source)
        _ = try await replica.entry(read)
        replica.shared.lose()
        store.setAway(true)
        for _ in 0..<3 { _ = try await replica.entry(read) }
        #expect(replica.cache.cached(read, under: nil, directives: .none, at: clock.now) != nil)
        #expect(source.calls.count == 1)
    }

    @Test("Of two replicas one asks the source, and the other waits for its answer")
    func coalesced() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let source = FakeSource { account, _ async throws(BillingFailure) in
            arrived.fire()
            try await mayAnswer.waitInSource()
            return .contact(.sample(account))
        }
        let (first, second) = (replica(source), replica(source))
        async let asking = first.entry(read)
        try await arrived.wait()
        async let waiting = second.entry(read)
        try await clock.sleepers(1)
        #expect(second.cache.sharedCounts?.waits == 1)
        mayAnswer.fire()
        _ = try await asking
        clock.advance(by: .milliseconds(20))
        _ = try await waiting
        #expect(source.calls.count == 1)
    }

    @Test("While an account is being changed, no replica waits for the answer of another one")
    func notShareable() async throws {
        let mayAnswer = Signal()
        let source = FakeSource { account, _ async throws(BillingFailure) in
            try await mayAnswer.waitInSource()
            return .contact(.sample(account))
        }
        let (writer, first, second) = (replica(source), replica(source), replica(source))
        try await sharing(writer) {
            writer.cache.changeBegan(account, invalidating: [.getBillingInformation])
            await writer.cache.waitUntilChangesAreShared()
            async let one = first.entry(read)
            async let other = second.entry(read)
            while source.calls.count < 2 { await Task.yield() }
            mayAnswer.fire()
            _ = try await (one, other)
        }
        #expect(first.cache.sharedCounts?.waits == 0 && second.cache.sharedCounts?.waits == 0)
        #expect(store.count == 0)
    }

    @Test("A replica whose answer does not come is waited for at most three seconds")
    func killed() async throws {
        let (arrived, never) = (Signal(), Signal())
        let stuck = FakeSource { _, _ async throws(BillingFailure) in
            arrived.fire()
            try await never.waitInSource()
            throw .sourceFailed
        }
        let source = FakeSource()
        let (first, second) = (replica(stuck), replica(source))
        let asking = Task { [read] in try await first.entry(read) }
        try await arrived.wait()
        async let waiting = second.entry(read)
        while source.calls.isEmpty {
            if clock.now - Moment(sinceOrigin: .zero) > .seconds(4) { break }
            try await clock.sleepers(1)
            clock.advance(by: .milliseconds(250))
            await Task.yield()
        }
        _ = try await waiting
        #expect(source.calls.count == 1)
        asking.cancel()
    }

    @Test(
        "An export on a new replica reads every answer from the store, and requests only missing ones from the source"
    )
    func export() async throws {
        let accounts = (0..<3000).map { AccountID(literal: "account-\($0)") }
        let source = FakeSource(listed: accounts)
        let first = replica(source)
        for account in accounts.dropLast(10) { _ = try await first.entry(.billingInformation(of: account)) }
        let cold = FakeSource(listed: accounts)
        let second = replica(cold)
        let time = AutoAdvancingClock()
        let export = try ExportBilling(
            lists: AccountListCache(directory: cold, time: time), cache: second.cache, source: cold, time: clock)(
                .init(), for: .everything)
        let lines = StreamedLines()
        try await export.run(to: lines)
        #expect(lines.lines.map(\.account) == accounts.sorted())
        #expect(Set(cold.calls) == Set(accounts.suffix(10)))
        #expect(second.cache.size.entries == 3000)
    }
}

extension FakeSharedStore {
    /// Whether a change of the account has not ended in the store.
    fileprivate func isPending(_ replica: Replica, _ account: AccountID) async throws -> Bool {
        switch try await replica.find(
            .billingInformation(of: account), under: nil, WantedAnswer(), within: .seconds(1))
        {
        case .answer(_, let place), .absent(let place), .claimed(let place):
            return place.version.isEmpty || place.isChanging
        }
    }
}

/// The city of the account, which changes.
private final class City: Sendable {
    private let name: Mutex<String>

    init(_ name: String) { self.name = Mutex(name) }

    var value: String {
        get { name.withLock { $0 } }
        set { name.withLock { $0 = newValue } }
    }
}
