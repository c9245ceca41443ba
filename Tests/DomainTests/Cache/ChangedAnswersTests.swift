import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Cached answers of a changed account", .timeLimit(.minutes(10)))
struct ChangedAnswersTests {
    private let account = AccountID(literal: "a")
    private let clock = TestClock()
    private let purpose = Purpose.interactive(for: nil)

    private func cache(_ source: FakeSource) -> BillingCache {
        BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
    }

    private var read: AccountRead { .billingInformation(of: account) }

    /// The city of the account, which changes.
    private final class City: Sendable {
        let name: Mutex<String>

        init(_ name: String) { self.name = Mutex(name) }
    }

    /// A source whose contact has the current city, and whose first answer waits for a signal.
    private func source(_ city: City, _ arrived: Signal, _ mayAnswer: Signal) -> FakeSource {
        FakeSource { _, attempt async throws(BillingFailure) in
            let current = city.name.withLock { $0 }
            if attempt == 1 {
                arrived.fire()
                try await mayAnswer.waitInSource()
            }
            return .contact(BillingContact(reading: { $0 == .city ? current : "x" }))
        }
    }

    @Test("An answer to a read that began before a change is not cached, and no later read waits for it")
    func inFlight() async throws {
        let (arrived, mayAnswer) = (Signal(), Signal())
        let city = City("old")
        let source = source(city, arrived, mayAnswer)
        let cache = cache(source)
        async let before = cache.entry(for: read, under: nil, for: purpose, directives: .none)
        try await arrived.wait()
        cache.changeBegan(account, invalidating: [.getBillingInformation])
        city.name.withLock { $0 = "new" }
        cache.changeEnded(account, invalidating: [.getBillingInformation])
        let after = try await cache.entry(for: read, under: nil, for: purpose, directives: .none)
        #expect(after.fake.contact?[.city] == "new")
        mayAnswer.fire()
        #expect(try await before.fake.contact?[.city] == "old")
        let cached = cache.cached(read, under: nil, directives: .none, at: clock.now)
        #expect(cached?.fake.contact?[.city] == "new")
    }

    @Test("While a change runs, answers about the account are not cached")
    func whileRunning() async throws {
        let source = FakeSource()
        let cache = cache(source)
        cache.changeBegan(account, invalidating: [.getBillingInformation])
        for _ in 0..<2 { _ = try await cache.entry(for: read, under: nil, for: purpose, directives: .none) }
        #expect(source.calls.count == 2 && cache.size.entries == 0)
        cache.changeEnded(account, invalidating: [.getBillingInformation])
        for _ in 0..<2 { _ = try await cache.entry(for: read, under: nil, for: purpose, directives: .none) }
        #expect(source.calls.count == 3 && cache.size.entries == 1)
    }

    @Test("A change removes the invoice lists of every period, the derived ones too, and nothing of other accounts")
    func invoices() async throws {
        let source = FakeSource.answering { read, _ async throws(BillingFailure) in
            .invoices(InvoiceList(members: [], invoices: []))
        }
        let cache = cache(source)
        let today = CalendarDate(of: clock.timestamp)
        let year = try InvoicePeriod(from: today.adding(years: -1)?.description, to: "\(today)", today: today)
        let day = try InvoicePeriod(from: "\(today)", to: "\(today)", today: today)
        for account in [account, AccountID(literal: "b")] {
            for period in [year, day] {
                _ = try await cache.entry(
                    for: .invoices(of: account, in: period), under: nil, for: purpose, directives: .none)
            }
        }
        #expect(source.calls.count == 2 && cache.size.entries == 4)
        cache.changeBegan(account, invalidating: [.listBillingInvoices])
        #expect(cache.size.entries == 4)
        cache.changeEnded(account, invalidating: [.listBillingInvoices])
        #expect(cache.size.entries == 2)
        #expect(cache.cached(.invoices(of: account, in: day), under: nil, directives: .none, at: clock.now) == nil)
    }

    /// An account at the source whose version grows, and the newest version that any reader has seen.
    private final class Versions: Sendable {
        let current = Atomic(0)
        let seen = Atomic(0)

        func see(_ version: Int) {
            seen.max(version, ordering: .sequentiallyConsistent)
        }
    }

    @Test("After any reader has seen a new state of an account, no reader sees an older one")
    func monotonic() async throws {
        let versions = Versions()
        let source = FakeSource { _, _ async throws(BillingFailure) in
            for _ in 0..<Int.random(in: 0...3) { await Task.yield() }
            let version = versions.current.load(ordering: .sequentiallyConsistent)
            for _ in 0..<Int.random(in: 0...3) { await Task.yield() }
            return .contact(BillingContact(reading: { $0 == .city ? "\(version)" : "x" }))
        }
        let cache = cache(source)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [account] in
                for _ in 0..<500 {
                    cache.changeBegan(account, invalidating: [.getBillingInformation])
                    for _ in 0..<Int.random(in: 0...4) { await Task.yield() }
                    versions.current.add(1, ordering: .sequentiallyConsistent)
                    for _ in 0..<Int.random(in: 0...4) { await Task.yield() }
                    cache.changeEnded(account, invalidating: [.getBillingInformation])
                    for _ in 0..<Int.random(in: 0...8) { await Task.yield() }
                }
            }
            for reader in 0..<4 {
                group.addTask { [read, purpose] in
                    var directives = CacheDirectives.none
                    for _ in 0..<2000 {
                        directives.noCache = reader == 0 && Bool.random()
                        let seenBefore = versions.seen.load(ordering: .sequentiallyConsistent)
                        let entry = try await cache.entry(for: read, under: nil, for: purpose, directives: directives)
                        let version = try #require(entry.fake.contact?[.city].flatMap { Int($0) })
                        #expect(version >= seenBefore)
                        versions.see(version)
                        if Bool.random() { await Task.yield() }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(versions.seen.load(ordering: .sequentiallyConsistent) > 0)
    }
}
