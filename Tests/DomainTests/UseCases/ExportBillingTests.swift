import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Billing export", .timeLimit(.minutes(10)))
struct ExportBillingTests {
    private static func ids(_ texts: String...) -> [AccountID] { texts.map { AccountID(literal: $0) } }

    private func export(
        _ source: FakeSource, after: String? = nil, rules: ExportBilling.Rules = .init(),
        clock: TestClock = TestClock(),
        for caller: Caller = .everything, to consumer: Collector = Collector()
    ) async throws -> [RecordedEvent] {
        var options = ExportBilling.Options()
        options.after = after.map { AccountID(literal: $0) }
        return try await export(source, options, rules: rules, clock: clock, for: caller, to: consumer)
    }

    private func export(
        _ source: FakeSource, _ options: ExportBilling.Options, of chosen: (any AccountFeed)? = nil,
        rules: ExportBilling.Rules = .init(), clock: TestClock = TestClock(),
        for caller: Caller = .everything, to consumer: Collector = Collector()
    ) async throws -> [RecordedEvent] {
        let exportBilling = Self.exportBilling(source, clock, rules)
        try await exportBilling(options, of: chosen, for: caller).run(to: consumer)
        return consumer.events
    }

    private static func exportBilling(
        _ source: FakeSource, _ clock: TestClock, _ rules: ExportBilling.Rules = .init()
    ) -> ExportBilling {
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec())
        return ExportBilling(
            lists: AccountListCache(directory: source, time: clock), cache: cache, source: source, time: clock,
            rules: rules
        )
    }

    @Test("An export sends every account once, in ascending order, whatever the order of the listing")
    func order() async throws {
        let source = FakeSource(listed: Self.ids("c", "a", "b", "a", "c"))
        let events = try await export(source)
        #expect(events.accounts == Self.ids("a", "b", "c"))
        #expect(events.first == .begin(accounts: 3, after: nil))
        #expect(events.last == .end(.init(answers: 3, failures: 0)))
        #expect(source.calls.sorted() == Self.ids("a", "b", "c"))
    }

    @Test(
        "An export resumes exactly after the given account, whether or not that account is listed",
        arguments: ["b", "bb"])
    func resume(after: String) async throws {
        let events = try await export(FakeSource(listed: Self.ids("d", "a", "b", "c")), after: after)
        #expect(events.accounts == Self.ids("c", "d"))
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: after)))
        #expect(events.last == .end(.init(answers: 2, failures: 0)))
    }

    @Test("An export for a caller with an allow-list sends only those accounts, without a listing")
    func ownAccounts() async throws {
        let source = FakeSource(listed: Self.ids("a", "b", "c", "d"))
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingExport], master: Name(literal: "second"),
            accounts: AllowList(Self.ids("d", "b", "x")))
        let events = try await export(source, after: "b", for: caller)
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: "b")))
        #expect(events.accounts == Self.ids("d", "x"))
        // One for each lookup, and none for a listing.
        #expect(source.masters == [Name(literal: "second"), Name(literal: "second")])
    }

    @Test("An export lists and looks up accounts under the caller's master account")
    func ownMaster() async throws {
        let source = FakeSource(listed: Self.ids("a"))
        let caller = Caller(name: Name(literal: "job"), scopes: [.billingExport], master: Name(literal: "second"))
        _ = try await export(source, for: caller)
        #expect(source.masters == [Name(literal: "second"), Name(literal: "second")])
    }

    @Test("An export of no accounts is complete")
    func empty() async throws {
        let events = try await export(FakeSource())
        #expect(events == [.begin(accounts: 0, after: nil), .end(.init())])
    }

    @Test("An export sends failed accounts in their place, and counts them")
    func failures() async throws {
        let source = FakeSource(listed: Self.ids("a", "b", "c")) { account, _ async throws(BillingFailure) in
            switch account.rawValue {
            case "a": throw .selfPay
            case "b": throw .accountNotFound(account)
            default: return .contact(.sample(account))
            }
        }
        let events = try await export(source)
        #expect(events[1] == .failure(AccountID(literal: "a"), .selfPay))
        #expect(events[2] == .failure(AccountID(literal: "b"), .accountNotFound(AccountID(literal: "b"))))
        #expect(events.last == .end(.init(answers: 1, failures: 2)))
    }

    @Test("An export keeps the order when the first account is answered last")
    func slowFirst() async throws {
        let release = Signal()
        let source = FakeSource(listed: Self.ids("a", "b", "c")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { try await release.waitInSource() }
            if account.rawValue == "c" { release.fire() }
            return .contact(.sample(account))
        }
        #expect(try await export(source).accounts == Self.ids("a", "b", "c"))
    }

    @Test("An export never has more lookups in flight than its window")
    func window() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 5
        let source = FakeSource(listed: (0..<200).map { AccountID(literal: "a\($0)") }) {
            account, _ async throws(BillingFailure) in
            await Task.yield()
            return .contact(.sample(account))
        }
        #expect(try await export(source, rules: rules).accounts.count == 200)
        #expect(source.inFlightMax <= 5)
    }

    @Test("An export starts no lookups beyond its window while the consumer takes nothing")
    func backPressure() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 4
        let source = FakeSource(listed: (0..<100).map { AccountID(literal: "a\($0)") })
        let consumer = Collector(holdsAt: 2)
        let running = Task { try await export(source, rules: rules, to: consumer) }
        try await consumer.held()
        // One event was taken and the second is held. Only those two accounts and the window behind them were looked
        // up.
        #expect(source.calls.count <= 2 + 4)
        consumer.release()
        #expect(try await running.joined.accounts.count == 100)
    }

    @Test("An export retries with back-off while the source is unavailable")
    func retry() async throws {
        let clock = TestClock()
        let source = FakeSource(listed: Self.ids("a")) { account, attempt async throws(BillingFailure) in
            if attempt < 3 { throw .sourceUnavailable(retryAfter: .zero) }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source, clock: clock) }
        try await clock.sleepers(2)
        clock.advance(by: .milliseconds(500))
        try await clock.sleepers(2)
        #expect(source.calls.count == 2)
        clock.advance(by: .milliseconds(1000))
        #expect(try await running.joined.last == .end(.init(answers: 1, failures: 0, elapsed: .milliseconds(1500))))
    }

    @Test(
        "An export retries a temporary failure, and looks up the accounts behind it meanwhile",
        arguments: [BillingFailure.sourceFailed, .timedOut])
    func repeats(failure: BillingFailure) async throws {
        let clock = TestClock()
        var rules = ExportBilling.Rules()
        rules.windowMax = 2
        let accounts = (0..<100).map { AccountID(literal: "\(1000 + $0)") }
        let source = FakeSource(listed: accounts) { account, attempt async throws(BillingFailure) in
            if account.rawValue == "1000", attempt < 3 { throw failure }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source, rules: rules, clock: clock) }
        // The heartbeat timer and the back-off.
        try await clock.sleepers(2)
        while source.calls.count < 100 { await Task.yield() }
        #expect(source.calls.count == 100 && Set(source.calls).count == 100)
        clock.advance(by: .milliseconds(200))
        try await clock.sleepers(2)
        clock.advance(by: .milliseconds(400))
        let events = try await running.joined
        #expect(events.accounts == accounts)
        #expect(events.last == .end(.init(answers: 100, failures: 0, elapsed: .milliseconds(600))))
        #expect(source.calls.count == 102)
        #expect(source.purposes.count { $0.isRetry } == 2)
    }

    @Test("An export does not retry a permanent failure")
    func rejected() async throws {
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { throw .sourceRejected }
            return .contact(.sample(account))
        }
        let events = try await export(source)
        #expect(events[1] == .failure(AccountID(literal: "a"), .sourceRejected))
        #expect(source.calls.count == 2)
    }

    @Test("An export adds no accounts while the source accepts no requests, and fails none of them at once")
    func unavailable() async throws {
        let clock = TestClock()
        var rules = ExportBilling.Rules()
        rules.windowMax = 3
        let isBack = Atomic<Bool>(false)
        let source = FakeSource(listed: (0..<50).map { AccountID(literal: "\(100 + $0)") }) {
            account, _ async throws(BillingFailure) in
            if !isBack.load(ordering: .relaxed) { throw .sourceUnavailable(retryAfter: .seconds(60)) }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source, rules: rules, clock: clock) }
        try await clock.sleepers(4)
        #expect(source.calls.count == 3)
        isBack.store(true, ordering: .relaxed)
        clock.advance(by: .seconds(60))
        #expect(try await running.joined.last == .end(.init(answers: 50, failures: 0, elapsed: .seconds(60))))
    }

    @Test("An export buffers a limited number of answers while one account before them is retried")
    func boundedHeld() async throws {
        let clock = TestClock()
        var rules = ExportBilling.Rules()
        rules.windowMax = 2
        rules.bufferedMax = 100
        let source = FakeSource(listed: (0..<500).map { AccountID(literal: "\(1000 + $0)") }) {
            account, attempt async throws(BillingFailure) in
            if account.rawValue == "1000", attempt == 1 { throw .sourceFailed }
            return .contact(.sample(account))
        }
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let running = Task { try await export(source, rules: rules, clock: clock, to: consumer) }
        try await clock.sleepers(2)
        while source.calls.count < 100 { await Task.yield() }
        #expect(source.calls.count == 100 && consumer.events.accounts.isEmpty)
        clock.advance(by: .milliseconds(200))
        #expect(try await running.joined.accounts.count == 500)
    }

    @Test("An export retries a failed listing")
    func retryList() async throws {
        let clock = TestClock()
        let source = FakeSource(
            listed: Self.ids("a"),
            listingFailures: [.sourceUnavailable(retryAfter: .zero), .rateLimited(retryAfter: .seconds(3))])
        let running = Task { try await export(source, clock: clock) }
        try await clock.sleepers(2)
        clock.advance(by: .milliseconds(500))
        try await clock.sleepers(2)
        clock.advance(by: .seconds(3))
        #expect(try await running.joined.accounts == Self.ids("a"))
    }

    @Test("An export fails if the accounts cannot be listed")
    func noList() async {
        let source = FakeSource(listed: Self.ids("a"), listingFailures: [.credentialsRefused])
        let consumer = Collector()
        await #expect(throws: BillingFailure.credentialsRefused) { try await export(source, to: consumer) }
        #expect(consumer.events.isEmpty)
    }

    @Test("An export waits as long as the source asks before it retries")
    func retryAfter() async throws {
        let clock = TestClock()
        let source = FakeSource(listed: Self.ids("a")) { account, attempt async throws(BillingFailure) in
            if attempt == 1 { throw .rateLimited(retryAfter: .seconds(7)) }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source, clock: clock) }
        try await clock.sleepers(2)
        clock.advance(by: .milliseconds(6999))
        #expect(source.calls.count == 1)
        clock.advance(by: .milliseconds(1))
        #expect(try await running.joined.accounts == Self.ids("a"))
    }

    @Test("An export gives up an account at its deadline and continues without it")
    func deadline() async throws {
        let clock = TestClock()
        var rules = ExportBilling.Rules()
        rules.accountDeadline = .seconds(1)
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { throw .sourceUnavailable(retryAfter: .zero) }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source, rules: rules, clock: clock) }
        for _ in 0..<2 {
            try await clock.sleepers(2)
            clock.advance(by: .milliseconds(500))
        }
        let events = try await running.joined
        #expect(events[1] == .failure(AccountID(literal: "a"), .sourceUnavailable(retryAfter: .zero)))
        #expect(events.last == .end(.init(answers: 1, failures: 1, elapsed: .seconds(1))))
    }

    @Test("An export sends a heartbeat after ten seconds without an event, with the reason for the wait")
    func heartbeat() async throws {
        let clock = TestClock()
        let release = Signal()
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { try await release.waitInSource() }
            return .contact(.sample(account))
        }
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let running = Task { try await export(source, clock: clock, to: consumer) }
        try await clock.sleepers(1)
        try await consumer.contains { $0.accounts.count == 1 }
        clock.advance(by: .seconds(10))
        try await consumer.announced()
        #expect(consumer.events.last == .heartbeat(done: 1, accounts: 2, waiting: .lookup))
        source.setHasQueuedRequests(true)
        try await clock.sleepers(1)
        clock.advance(by: .seconds(10))
        try await consumer.contains { $0.last == .heartbeat(done: 1, accounts: 2, waiting: .rateLimit) }
        release.fire()
        _ = try await running.joined
    }

    @Test("An export with a limit sends that many accounts, and reports how many remain")
    func limited() async throws {
        let source = FakeSource(listed: Self.ids("d", "a", "b", "c"))
        var options = ExportBilling.Options(after: AccountID(literal: "a"))
        options.limit = 2
        let events = try await export(source, options)
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: "a")))
        #expect(events.accounts == Self.ids("b", "c"))
        #expect(events.last == .end(.init(answers: 2, failures: 0, remaining: 1)))
        options.limit = 3
        #expect(try await export(source, options).last == .end(.init(answers: 3, failures: 0)))
    }

    @Test("An unordered export sends accounts as their answers arrive, and a slow one delays no others")
    func arrival() async throws {
        var rules = ExportBilling.Rules()
        rules.windowMax = 2
        let release = Signal()
        let source = FakeSource(listed: Self.ids("a", "b", "c", "d", "e")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { try await release.waitInSource() }
            return .contact(.sample(account))
        }
        var options = ExportBilling.Options()
        options.order = .arrival
        let consumer = Collector()
        let running = Task { try await export(source, options, rules: rules, to: consumer) }
        try await consumer.contains { $0.accounts.count == 4 }
        release.fire()
        let events = try await running.joined
        #expect(events.accounts.last == AccountID(literal: "a") && Set(events.accounts).count == 5)
        #expect(events.last == .end(.init(answers: 5, failures: 0)))
    }

    /// Chosen accounts that arrive in portions, with some invalid lines.
    private final class Chosen: AccountFeed {
        private let portions: Mutex<[[AccountFeedItem]]>
        private let pauses: Bool

        init(_ portions: [[AccountFeedItem]], pauses: Bool = false) {
            self.portions = Mutex(portions)
            self.pauses = pauses
        }

        var count: Int? { nil }

        func next() -> AccountFeedItem {
            portions.withLock { portions in
                guard !portions.isEmpty else { return .end }
                return portions[0].isEmpty ? .pending : portions[0].removeFirst()
            }
        }

        func waitForMore() async {
            if pauses {
                let (never, end) = AsyncStream<Never>.makeStream()
                await withTaskCancellationHandler {
                    for await _ in never {}
                } onCancel: {
                    end.finish()
                }
            }
            portions.withLock { _ = $0.removeFirst() }
        }
    }

    private static func account(_ text: String) -> AccountFeedItem { .account(AccountID(literal: text)) }

    @Test("An export of chosen accounts keeps their order and their duplicates")
    func chosen() async throws {
        let source = FakeSource()
        let feed = Chosen([
            [Self.account("c"), .malformed(line: 2, "no"), Self.account("a")], [], [Self.account("c")],
        ])
        let events = try await export(source, .init(), of: feed)
        let (c, a) = (AccountID(literal: "c"), AccountID(literal: "a"))
        #expect(
            events == [
                .begin(accounts: nil, after: nil), .contact(c), .malformed(2), .contact(a), .contact(c),
                .end(.init(answers: 3, failures: 1)),
            ])
        #expect(source.calls.count == 2)
    }

    @Test("An export of chosen accounts sends results before the input ends, and reports waiting for input")
    func duplex() async throws {
        let clock = TestClock()
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let feed = Chosen([[Self.account("a")], [Self.account("b")]], pauses: true)
        let running = Task { try await export(FakeSource(), .init(), of: feed, clock: clock, to: consumer) }
        try await consumer.contains { $0.accounts == Self.ids("a") }
        clock.advance(by: .seconds(10))
        try await consumer.announced()
        #expect(consumer.events.last == .heartbeat(done: 1, accounts: nil, waiting: .input))
        running.cancel()
        await #expect(throws: BillingFailure.cancelled) { try await running.joined }
    }

    @Test("An export of chosen accounts is incomplete if the input fails")
    func failedFeed() async {
        let consumer = Collector()
        let feed = Chosen([[Self.account("a"), .failed(.timedOut)]])
        await #expect(throws: BillingFailure.timedOut) {
            try await export(FakeSource(), .init(), of: feed, to: consumer)
        }
        #expect(!consumer.events.contains { if case .end = $0 { true } else { false } })
    }

    @Test("Ten concurrent exports make one request to the source for each account")
    func shared() async throws {
        let source = FakeSource(listed: (0..<500).map { AccountID(literal: "account-\($0)") })
        let clock = TestClock()
        let exportBilling = Self.exportBilling(source, clock)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    let consumer = Collector()
                    try await exportBilling(.init(), for: .everything).run(to: consumer)
                    #expect(consumer.events.accounts.count == 500)
                }
            }
            try await group.waitForAll()
        }
        #expect(source.calls.count == 500)
        // One listing of one page.
        #expect(source.masters.count == 501)
    }

    @Test("An export with a maximum age of zero looks up every account again")
    func anew() async throws {
        let source = FakeSource(listed: Self.ids("a", "b"))
        let clock = TestClock()
        let exportBilling = Self.exportBilling(source, clock)
        var options = ExportBilling.Options()
        for (maxAge, calls) in [(nil, 2), (nil, 2), (Duration.seconds(60), 2), (.zero, 4)] as [(Duration?, Int)] {
            options.maxAge = maxAge
            try await exportBilling(options, for: .everything).run(to: Collector())
            #expect(source.calls.count == calls)
            clock.advance(by: .seconds(1))
        }
    }

    @Test("An export stops without an end event at a failure that affects all accounts")
    func stops() async {
        let consumer = Collector()
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { throw .credentialsRefused }
            return .contact(.sample(account))
        }
        await #expect(throws: BillingFailure.credentialsRefused) { try await export(source, to: consumer) }
        #expect(!consumer.events.contains { if case .end = $0 { true } else { false } })
    }

    @Test("An export stops at once when its task is cancelled")
    func cancelled() async throws {
        let started = Signal()
        let source = FakeSource(listed: Self.ids("a")) { account, _ async throws(BillingFailure) in
            started.fire()
            do {
                try await TestClock().sleep(until: Moment(sinceOrigin: .seconds(1_000_000)))
            } catch {
                throw .cancelled
            }
            return .contact(.sample(account))
        }
        let running = Task { try await export(source) }
        try await started.wait()
        running.cancel()
        await #expect(throws: BillingFailure.cancelled) { try await running.joined }
    }

    @Test("An export does not start for a caller without the scope")
    func scope() {
        let source = FakeSource(listed: Self.ids("a"))
        let exportBilling = Self.exportBilling(source, TestClock())
        #expect(throws: BillingFailure.scopeMissing(.billingExport)) {
            try exportBilling(.init(), for: .nothing)
        }
    }
}
