import Domain
import DomainFakes
import Testing

@Suite("Export in the order of arrival", .timeLimit(.minutes(10)))
struct ExportInArrivalOrderTests {
    private static let accounts = (0..<25).map { AccountID(literal: "a\(100 + $0 * 7 % 25)") }

    private static func exportBilling(_ directory: FakeDirectory, _ clock: TestClock) -> ExportBilling {
        let source = FakeSource()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
        return ExportBilling(
            lists: AccountListCache(directory: directory, time: clock), cache: cache, source: source, time: clock)
    }

    private static func options(limit: Int? = nil) -> ExportBilling.Options {
        var options = ExportBilling.Options()
        options.order = .arrival
        options.limit = limit
        return options
    }

    @Test("An export in the order of arrival sends the accounts of the first page before it has the second page")
    func firstPage() async throws {
        let release = Signal()
        let directory = FakeDirectory(Self.accounts) { call async throws(BillingFailure) in
            if call == 2 { try await release.waitInSource() }
        }
        let clock = TestClock()
        let exportBilling = Self.exportBilling(directory, clock)
        let consumer = Collector()
        let running = Task { try await exportBilling(Self.options(), for: .everything).run(to: consumer) }
        try await consumer.contains { Set($0.accounts) == Set(Self.accounts.prefix(10)) }
        try await clock.sleepers(1)
        #expect(consumer.events.first == .begin(accounts: nil, after: nil))
        // The export may note the time of its last event only after a part of the time has passed.
        var elapsed = Duration.zero
        while consumer.events.last != .heartbeat(done: 10, accounts: nil, waiting: .accountList) {
            clock.advance(by: .seconds(10))
            elapsed += .seconds(10)
            // The timer is armed again after a heartbeat, and also if none was due.
            try await clock.sleepers(1)
        }
        release.fire()
        try await running.joined
        #expect(consumer.events.accounts.sorted() == Self.accounts.sorted())
        #expect(consumer.events.last == .end(.init(answers: 25, failures: 0, elapsed: elapsed)))
    }

    @Test("An export in the order of arrival with a limit ends with the number of further accounts")
    func limit() async throws {
        let consumer = Collector()
        let exportBilling = Self.exportBilling(FakeDirectory(Self.accounts), TestClock())
        try await exportBilling(Self.options(limit: 7), for: .everything).run(to: consumer)
        #expect(Set(consumer.events.accounts) == Set(Self.accounts.prefix(7)))
        #expect(consumer.events.last == .end(.init(answers: 7, failures: 0, remaining: 18)))
    }

    @Test("An export in the order of arrival fails if the listing fails, after the lines of the pages before")
    func failure() async throws {
        let directory = FakeDirectory(Self.accounts) { call async throws(BillingFailure) in
            if call == 3 { throw .credentialsRefused }
        }
        let consumer = Collector()
        let exportBilling = Self.exportBilling(directory, TestClock())
        await #expect(throws: BillingFailure.credentialsRefused) {
            try await exportBilling(Self.options(), for: .everything).run(to: consumer)
        }
        #expect(!consumer.events.contains { if case .end = $0 { true } else { false } })
    }

    @Test("An export in the order of arrival for a caller with an allow-list needs no listing")
    func allowList() async throws {
        let directory = FakeDirectory(Self.accounts)
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingExport], accounts: AllowList(Self.accounts.prefix(4)))
        let consumer = Collector()
        try await Self.exportBilling(directory, TestClock())(Self.options(), for: caller).run(to: consumer)
        #expect(consumer.events.accounts.sorted() == Self.accounts.prefix(4).sorted())
        #expect(consumer.events.first == .begin(accounts: 4, after: nil) && directory.requests.isEmpty)
    }
}
