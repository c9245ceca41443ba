import Domain
import DomainFakes
import Synchronization
import Testing

@Suite("Exporting contacts", .timeLimit(.minutes(1)))
struct ExportContactsTests {
    private static func ids(_ texts: String...) -> [AccountID] { texts.map { AccountID(literal: $0) } }

    private func export(
        _ source: FakeSource, after: String? = nil, rules: ExportContacts.Rules = .init(),
        clock: TestClock = TestClock(),
        for caller: Caller = .everything, to consumer: Collector = Collector()
    ) async throws -> [ExportContacts.Event] {
        let contacts = ExportContacts(directory: source, source: source, time: clock, rules: rules)
        let options = ExportContacts.Options(after: after.map { AccountID(literal: $0) })
        try await contacts(options, for: caller).run(to: consumer)
        return consumer.events
    }

    @Test("tells of every account once, in ascending order, whatever order and repetition they are listed in")
    func order() async throws {
        let source = FakeSource(listed: Self.ids("c", "a", "b", "a", "c"))
        let events = try await export(source)
        #expect(events.accounts == Self.ids("a", "b", "c"))
        #expect(events.first == .begin(accounts: 3, after: nil))
        #expect(events.last == .end(.init(contacts: 3, failures: 0)))
        #expect(source.calls.sorted() == Self.ids("a", "b", "c"))
    }

    @Test("goes on exactly after the account named, be it listed or not", arguments: ["b", "bb"])
    func resume(after: String) async throws {
        let events = try await export(FakeSource(listed: Self.ids("d", "a", "b", "c")), after: after)
        #expect(events.accounts == Self.ids("c", "d"))
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: after)))
        #expect(events.last == .end(.init(contacts: 2, failures: 0)))
    }

    @Test("tells of the caller's accounts alone where it has only some, without asking which there are")
    func ownAccounts() async throws {
        let source = FakeSource(listed: Self.ids("a", "b", "c", "d"))
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingExport], master: Name(literal: "second"),
            accounts: Set(Self.ids("d", "b", "x")))
        let events = try await export(source, after: "b", for: caller)
        #expect(events.first == .begin(accounts: 2, after: AccountID(literal: "b")))
        #expect(events.accounts == Self.ids("d", "x"))
        // One for each lookup, and none for a list.
        #expect(source.masters == [Name(literal: "second"), Name(literal: "second")])
    }

    @Test("lists and looks up under the caller's own master account")
    func ownMaster() async throws {
        let source = FakeSource(listed: Self.ids("a"))
        let caller = Caller(name: Name(literal: "job"), scopes: [.billingExport], master: Name(literal: "second"))
        _ = try await export(source, for: caller)
        #expect(source.masters == [Name(literal: "second"), Name(literal: "second")])
    }

    @Test("of no accounts is complete")
    func empty() async throws {
        let events = try await export(FakeSource())
        #expect(events == [.begin(accounts: 0, after: nil), .end(.init())])
    }

    @Test("tells of accounts that fail in their place, and counts them")
    func failures() async throws {
        let source = FakeSource(listed: Self.ids("a", "b", "c")) { account, _ async throws(BillingFailure) in
            switch account.rawValue {
            case "a": return .selfPay
            case "b": throw .accountNotFound(account)
            default: return .masterPays(.sample(account))
            }
        }
        let events = try await export(source)
        #expect(events[1] == .failure(AccountID(literal: "a"), .selfPay))
        #expect(events[2] == .failure(AccountID(literal: "b"), .accountNotFound(AccountID(literal: "b"))))
        #expect(events.last == .end(.init(contacts: 1, failures: 2)))
    }

    @Test("keeps the order when the first account is the last to be answered")
    func slowFirst() async throws {
        let release = Signal()
        let source = FakeSource(listed: Self.ids("a", "b", "c")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { await release.wait() }
            if account.rawValue == "c" { release.fire() }
            return .masterPays(.sample(account))
        }
        #expect(try await export(source).accounts == Self.ids("a", "b", "c"))
    }

    @Test("never has more lookups under way than its window")
    func window() async throws {
        var rules = ExportContacts.Rules()
        rules.windowMax = 5
        let source = FakeSource(listed: (0..<200).map { AccountID(literal: "a\($0)") }) {
            account, _ async throws(BillingFailure) in
            await Task.yield()
            return .masterPays(.sample(account))
        }
        #expect(try await export(source, rules: rules).accounts.count == 200)
        #expect(source.underWayMost <= 5)
    }

    @Test("starts no lookups beyond its window while the consumer takes nothing")
    func backPressure() async throws {
        var rules = ExportContacts.Rules()
        rules.windowMax = 4
        let source = FakeSource(listed: (0..<100).map { AccountID(literal: "a\($0)") })
        let consumer = Collector(holdsAt: 2)
        let running = Task { try await export(source, rules: rules, to: consumer) }
        await consumer.held()
        // One was told of, the second is being held; those and the window behind them is all that was asked.
        #expect(source.calls.count <= 2 + 4)
        consumer.release()
        #expect(try await running.value.accounts.count == 100)
    }

    @Test("asks again while the source is left alone, at growing distances")
    func retry() async throws {
        let clock = TestClock()
        let source = FakeSource(listed: Self.ids("a")) { account, attempt async throws(BillingFailure) in
            if attempt < 3 { throw .sourceUnavailable(retryAfter: .zero) }
            return .masterPays(.sample(account))
        }
        let running = Task { try await export(source, clock: clock) }
        await clock.sleepers(2)
        clock.advance(by: .milliseconds(500))
        await clock.sleepers(2)
        #expect(source.calls.count == 2)
        clock.advance(by: .milliseconds(1000))
        #expect(try await running.value.last == .end(.init(contacts: 1, failures: 0, elapsed: .milliseconds(1500))))
    }

    @Test(
        "takes what has failed for failed: the source has tried it again itself",
        arguments: [
            BillingFailure.sourceFailed, .timedOut,
        ])
    func failed(failure: BillingFailure) async throws {
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { throw failure }
            return .masterPays(.sample(account))
        }
        let events = try await export(source)
        #expect(events[1] == .failure(AccountID(literal: "a"), failure))
        #expect(source.calls.count == 2)
    }

    @Test("tries the list of accounts again, too")
    func retryList() async throws {
        let clock = TestClock()
        let source = FakeSource(
            listed: Self.ids("a"),
            listingFailures: [.sourceUnavailable(retryAfter: .zero), .budgetSpent(retryAfter: .seconds(3))])
        let running = Task { try await export(source, clock: clock) }
        await clock.sleepers(2)
        clock.advance(by: .milliseconds(500))
        await clock.sleepers(2)
        clock.advance(by: .seconds(3))
        #expect(try await running.value.accounts == Self.ids("a"))
    }

    @Test("fails when the accounts cannot be listed")
    func noList() async {
        let source = FakeSource(listed: Self.ids("a"), listingFailures: [.credentialsRefused])
        let consumer = Collector()
        await #expect(throws: BillingFailure.credentialsRefused) { try await export(source, to: consumer) }
        #expect(consumer.events.isEmpty)
    }

    @Test("waits as long as the source asks for before it tries again")
    func retryAfter() async throws {
        let clock = TestClock()
        let source = FakeSource(listed: Self.ids("a")) { account, attempt async throws(BillingFailure) in
            if attempt == 1 { throw .budgetSpent(retryAfter: .seconds(7)) }
            return .masterPays(.sample(account))
        }
        let running = Task { try await export(source, clock: clock) }
        await clock.sleepers(2)
        clock.advance(by: .milliseconds(6999))
        #expect(source.calls.count == 1)
        clock.advance(by: .milliseconds(1))
        #expect(try await running.value.accounts == Self.ids("a"))
    }

    @Test("gives an account up at its deadline and goes on without it")
    func deadline() async throws {
        let clock = TestClock()
        var rules = ExportContacts.Rules()
        rules.accountDeadline = .seconds(1)
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "a" { throw .sourceUnavailable(retryAfter: .zero) }
            return .masterPays(.sample(account))
        }
        let running = Task { try await export(source, rules: rules, clock: clock) }
        await clock.sleepers(2)
        clock.advance(by: .milliseconds(500))
        let events = try await running.value
        #expect(events[1] == .failure(AccountID(literal: "a"), .sourceUnavailable(retryAfter: .zero)))
        #expect(events.last == .end(.init(contacts: 1, failures: 1, elapsed: .milliseconds(500))))
    }

    @Test("says it is alive after ten seconds of silence, and what it waits for")
    func heartbeat() async throws {
        let clock = TestClock()
        let release = Signal()
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { await release.wait() }
            return .masterPays(.sample(account))
        }
        let consumer = Collector(announcing: { if case .heartbeat = $0 { true } else { false } })
        let running = Task { try await export(source, clock: clock, to: consumer) }
        await clock.sleepers(1)
        await consumer.contains { $0.accounts.count == 1 }
        clock.advance(by: .seconds(10))
        await consumer.announced()
        #expect(consumer.events.last == .heartbeat(done: 1, accounts: 2, waiting: .lookup))
        release.fire()
        _ = try await running.value
    }

    @Test("stops, without an end, at what reaches further than one account")
    func stops() async {
        let consumer = Collector()
        let source = FakeSource(listed: Self.ids("a", "b")) { account, _ async throws(BillingFailure) in
            if account.rawValue == "b" { throw .credentialsRefused }
            return .masterPays(.sample(account))
        }
        await #expect(throws: BillingFailure.credentialsRefused) { try await export(source, to: consumer) }
        #expect(!consumer.events.contains { if case .end = $0 { true } else { false } })
    }

    @Test("stops at once when its task is cancelled")
    func cancelled() async {
        let started = Signal()
        let source = FakeSource(listed: Self.ids("a")) { account, _ async throws(BillingFailure) in
            started.fire()
            do {
                try await TestClock().sleep(until: Moment(sinceOrigin: .seconds(1_000_000)))
            } catch {
                throw .cancelled
            }
            return .masterPays(.sample(account))
        }
        let running = Task { try await export(source) }
        await started.wait()
        running.cancel()
        await #expect(throws: BillingFailure.cancelled) { try await running.value }
    }

    @Test("is not begun for a caller who may not")
    func scope() {
        let source = FakeSource(listed: Self.ids("a"))
        let contacts = ExportContacts(directory: source, source: source, time: TestClock())
        #expect(throws: BillingFailure.scopeMissing(.billingExport)) {
            try contacts(.init(), for: .nothing)
        }
    }
}

extension [ExportContacts.Event] {
    /// The accounts told of, in order.
    fileprivate var accounts: [AccountID] {
        compactMap { event in
            switch event {
            case .contact(let account, _), .failure(let account, _): account
            case .begin, .heartbeat, .end: nil
            }
        }
    }
}

/// Keeps what it is told; can be held, and announces.
private final class Collector: ExportContacts.Consumer {
    private let state = Mutex<[ExportContacts.Event]>([])
    private let watchers = Mutex<[(@Sendable ([ExportContacts.Event]) -> Bool, Signal)]>([])
    private let holdsAt: Int?
    private let isAnnounced: @Sendable (ExportContacts.Event) -> Bool
    private let holding = Signal()
    private let releasing = Signal()
    private let announcing = Signal()

    init(holdsAt: Int? = nil, announcing: @escaping @Sendable (ExportContacts.Event) -> Bool = { _ in false }) {
        self.holdsAt = holdsAt
        isAnnounced = announcing
    }

    var events: [ExportContacts.Event] { state.withLock { $0 } }

    func take(_ event: ExportContacts.Event) async throws(BillingFailure) {
        let events = state.withLock { events in
            events.append(event)
            return events
        }
        for (condition, signal) in watchers.withLock({ $0 }) where condition(events) { signal.fire() }
        if isAnnounced(event) { announcing.fire() }
        if events.count == holdsAt {
            holding.fire()
            await releasing.wait()
        }
    }

    func held() async { await holding.wait() }
    func release() { releasing.fire() }
    func announced() async { await announcing.wait() }

    /// Returns when what was told so far meets the condition.
    func contains(_ condition: @escaping @Sendable ([ExportContacts.Event]) -> Bool) async {
        let signal = Signal()
        watchers.withLock { $0.append((condition, signal)) }
        if condition(events) { signal.fire() }
        await signal.wait()
    }
}
