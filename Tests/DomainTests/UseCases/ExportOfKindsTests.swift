import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Billing export of several kinds", .timeLimit(.minutes(10)))
struct ExportOfKindsTests {
    private static func ids(_ texts: String...) -> [AccountID] { texts.map { AccountID(literal: $0) } }

    private static let document = SourceDocument(text: Array("{}".utf8))

    private static let invoices: ExportKind = {
        guard
            let today = CalendarDate(year: 2026, month: 11, day: 1),
            let period = try? InvoicePeriod(from: "2026-01-01", to: "2026-06-30", today: today)
        else { preconditionFailure("the period is valid") }
        return .invoices(period)
    }()

    private static func answer(to read: AccountRead) -> SourceAnswer {
        read.operation == .getBillingInformation ? .contact(.sample(read.account)) : .document(document)
    }

    private static func options(_ kinds: [ExportKind], after: String? = nil) -> ExportBilling.Options {
        var options = ExportBilling.Options(after: after.map { AccountID(literal: $0) })
        options.kinds = kinds
        return options
    }

    private func export(
        _ source: FakeSource, _ options: ExportBilling.Options, rules: ExportBilling.Rules = .init(),
        clock: TestClock = TestClock(), for caller: Caller = .everything, bytes: Int = 100,
        to consumer: Collector = Collector()
    ) async throws -> [RecordedEvent] {
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec(bytes: bytes))
        let exportBilling = ExportBilling(
            lists: AccountListCache(directory: source, time: clock), cache: cache, source: source, time: clock,
            rules: rules)
        try await exportBilling(options, for: caller).run(to: consumer)
        return consumer.events
    }

    @Test("An export of several kinds sends them by account, then by kind, whatever the order of the answers")
    func order() async throws {
        let release = Signal()
        let source = FakeSource.answering(listed: Self.ids("b", "a")) { read, _ async throws(BillingFailure) in
            if read == .billingInformation(of: AccountID(literal: "a")) { try await release.waitInSource() }
            if read == .planUsage(of: AccountID(literal: "b")) { release.fire() }
            return Self.answer(to: read)
        }
        let kinds = [ExportKind.contact, .plans, .usage, Self.invoices]
        let events = try await export(source, Self.options(kinds))
        let records = Self.ids("a", "b").flatMap { account in kinds.map { RecordedEvent.answer($0, account) } }
        #expect(events == [.begin(accounts: 2, after: nil)] + records + [.end(.init(answers: 8))])
        #expect(Set(source.reads) == Set(Self.ids("a", "b").flatMap { account in kinds.map { $0.read(of: account) } }))
        #expect(source.reads.count == 8)
    }

    @Test("An export of several kinds resumes after an account with all kinds of the next one, and counts accounts")
    func resume() async throws {
        let source = FakeSource.answering(listed: Self.ids("a", "b", "c", "d")) {
            read, _ async throws(BillingFailure) in Self.answer(to: read)
        }
        var options = Self.options([.plans, .usage], after: "a")
        options.limit = 2
        let events = try await export(source, options)
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: "a")))
        #expect(events.accounts == Self.ids("b", "b", "c", "c"))
        #expect(events.last == .end(.init(answers: 4, remaining: 1)))
    }

    @Test(
        "An export sends the failures of one kind in their place, and one failure for each kind of a self-pay account")
    func failures() async throws {
        let source = FakeSource.answering(listed: Self.ids("a", "b")) { read, _ async throws(BillingFailure) in
            if read.account.rawValue == "a" { throw .selfPay }
            if read.operation == .getPlanUsage { throw .accountIsFree }
            return Self.answer(to: read)
        }
        let events = try await export(source, Self.options([.contact, .plans, .usage]))
        let (a, b) = (AccountID(literal: "a"), AccountID(literal: "b"))
        #expect(
            events.dropFirst() == [
                .failure(.contact, a, .selfPay), .failure(.plans, a, .selfPay), .failure(.usage, a, .selfPay),
                .answer(.contact, b), .answer(.plans, b), .failure(.usage, b, .accountIsFree),
                .end(.init(answers: 2, failures: 4)),
            ])
        #expect(source.reads.count == 6)
    }

    /// A source that answers with the usage of plans only after a signal.
    private static func source(listing count: Int, usageAfter release: Signal) -> FakeSource {
        FakeSource.answering(listed: (0..<count).map { AccountID(literal: "\(100 + $0)") }) {
            read, _ async throws(BillingFailure) in
            if read.operation == .getPlanUsage { try await release.waitInSource() }
            return Self.answer(to: read)
        }
    }

    @Test("An export looks up a fast kind ahead of a slow one, up to the limit of accounts in its window")
    func lookAhead() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 2
        rules.bufferedMax = 50
        let release = Signal()
        let source = Self.source(listing: 80, usageAfter: release)
        let running = Task { try await export(source, Self.options([.contact, .usage]), rules: rules) }
        // Contacts of all accounts in the window are looked up while two lookups of the usage are in flight.
        while source.reads.count < 52 {
            await Task.yield()
            try Task.checkCancellation()
        }
        #expect(source.reads.count { $0.operation == .getBillingInformation } == 50)
        #expect(source.reads.count { $0.operation == .getPlanUsage } == 2)
        release.fire()
        #expect(try await running.joined.last == .end(.init(answers: 160)))
        #expect(source.inFlightMax <= 4)
    }

    @Test("An export starts no lookups beyond its window of any kind while the consumer takes nothing")
    func backPressure() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 4
        rules.bufferedMax = 4
        let source = FakeSource.answering(listed: (0..<100).map { AccountID(literal: "a\($0)") }) {
            read, _ async throws(BillingFailure) in Self.answer(to: read)
        }
        let consumer = Collector(holdsAt: 3)
        let running = Task { try await export(source, Self.options([.contact, .plans]), rules: rules, to: consumer) }
        try await consumer.held()
        // Two events were taken and the third is held.
        for operation in [Operation.getBillingInformation, .getPlanInformation] {
            #expect(source.reads.count { $0.operation == operation } <= 2 + 4)
        }
        consumer.release()
        #expect(try await running.joined.accounts.count == 200)
    }

    @Test("An export looks up only the oldest account while its buffered answers are larger than their limit")
    func bufferedBytes() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 1
        rules.bufferedBytesMax = 1000
        let release = Signal()
        let source = Self.source(listing: 50, usageAfter: release)
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let clock = TestClock()
        let running = Task {
            try await export(
                source, Self.options([.plans, .usage]), rules: rules, clock: clock, bytes: 300, to: consumer)
        }
        // The first answer is sent. Four more of 300 bytes exceed the limit.
        while source.reads.count < 6 {
            await Task.yield()
            try Task.checkCancellation()
        }
        try await clock.sleepers(1)
        clock.advance(by: .seconds(10))
        try await consumer.announced()
        #expect(source.reads.count { $0.operation == .getPlanInformation } == 5)
        release.fire()
        #expect(try await running.joined.last == .end(.init(answers: 100, elapsed: .seconds(10))))
    }

    @Test("An export retries the kind of an account that failed, and no other kind of it")
    func repeats() async throws {
        let clock = TestClock()
        let source = FakeSource.answering(listed: Self.ids("a")) { read, attempt async throws(BillingFailure) in
            if read.operation == .getPlanUsage, attempt == 1 { throw .sourceFailed }
            return Self.answer(to: read)
        }
        let running = Task { try await export(source, Self.options([.contact, .usage]), clock: clock) }
        try await clock.sleepers(2)
        clock.advance(by: .milliseconds(200))
        #expect(try await running.joined.accounts == Self.ids("a", "a"))
        #expect(source.reads.count { $0.operation == .getPlanUsage } == 2)
        #expect(source.reads.count { $0.operation == .getBillingInformation } == 1)
    }

    @Test("An account whose quota permits no call for longer than a minute fails at once, and delays no other account")
    func quota() async throws {
        let source = FakeSource.answering(listed: Self.ids("a", "b")) { read, _ async throws(BillingFailure) in
            if read.account.rawValue == "a" { throw .rateLimited(retryAfter: .seconds(300)) }
            return Self.answer(to: read)
        }
        let events = try await export(source, Self.options([Self.invoices]))
        #expect(
            events.dropFirst() == [
                .failure(Self.invoices, AccountID(literal: "a"), .rateLimited(retryAfter: .seconds(300))),
                .answer(Self.invoices, AccountID(literal: "b")), .end(.init(answers: 1, failures: 1)),
            ])
    }

    @Test("A heartbeat names what the next line waits for: the permit of its own kind, and not of another")
    func heartbeat() async throws {
        let clock = TestClock()
        let release = Signal()
        let source = FakeSource.answering(listed: Self.ids("a", "b")) { read, _ async throws(BillingFailure) in
            if read == .planUsage(of: AccountID(literal: "b")) { try await release.waitInSource() }
            return Self.answer(to: read)
        }
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let running = Task {
            try await export(source, Self.options([.contact, .usage]), clock: clock, to: consumer)
        }
        try await consumer.contains { $0.accounts.count == 3 }
        source.setQueuedRequests(of: [.getBillingInformation])
        try await clock.sleepers(1)
        clock.advance(by: .seconds(10))
        try await consumer.announced()
        #expect(consumer.events.last == .heartbeat(done: 1, accounts: 2, waiting: .lookup))
        source.setQueuedRequests(of: [.getPlanUsage])
        try await clock.sleepers(1)
        clock.advance(by: .seconds(10))
        try await consumer.contains { $0.last == .heartbeat(done: 1, accounts: 2, waiting: .rateLimit) }
        release.fire()
        _ = try await running.joined
    }

    @Test("An export needs the scope of each kind, besides that for exports")
    func scopes() throws {
        let source = FakeSource()
        let clock = TestClock()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
        let exportBilling = ExportBilling(
            lists: AccountListCache(directory: source, time: clock), cache: cache, source: source, time: clock)
        let rows: [(ExportKind, Caller.Scope?)] = [
            (.contact, nil), (.plans, .plansRead), (.usage, .plansRead), (Self.invoices, .invoicesRead),
        ]
        for (kind, scope) in rows {
            let needed: Set<Caller.Scope> = Set([.billingExport] + [scope].compactMap { $0 })
            let permitted = try exportBilling(
                Self.options([kind]), for: Caller(name: Name(literal: "job"), scopes: needed))
            #expect(permitted.caller.scopes == needed)
            for missing in needed {
                let caller = Caller(
                    name: Name(literal: "job"), scopes: Set(Caller.Scope.allCases).subtracting([missing]))
                #expect(throws: BillingFailure.scopeMissing(missing)) {
                    try exportBilling(Self.options([kind]), for: caller)
                }
            }
        }
    }
}
