import Domain
import DomainFakes
import Testing

@Suite("Looking up a contact")
struct LookUpContactTests {
    let account = AccountID(literal: "a")

    private func lookUp(_ source: FakeSource, clock: TestClock = TestClock()) -> LookUpContact {
        LookUpContact(
            cache: BillingCache(source: source, time: clock, rules: CacheRules(), parts: 1) { FakeAnswer($0) })
    }

    @Test("gives the contact and when it was read")
    func found() async throws {
        let clock = TestClock(start: Timestamp(secondsSinceEpoch: 5))
        let entry = try await lookUp(FakeSource(), clock: clock)(account, for: .everything)
        #expect(entry.fake.contact == .sample(account) && entry.asOf == Timestamp(secondsSinceEpoch: 5))
        #expect(entry.failure == nil)
    }

    @Test("gives what is kept without asking, to those who may")
    func cached() async throws {
        let source = FakeSource()
        let lookUp = lookUp(source)
        let now = Moment(sinceOrigin: .zero)
        #expect(try lookUp.cached(account, for: .everything, at: now) == nil)
        _ = try await lookUp(account, for: .everything)
        #expect(try lookUp.cached(account, for: .everything, at: now)?.fake.contact == .sample(account))
        #expect(throws: BillingFailure.scopeMissing(.billingRead)) {
            try lookUp.cached(account, for: .nothing, at: now)
        }
        let stranger = Caller(name: Name(literal: "job"), scopes: [.billingRead], accounts: [AccountID(literal: "b")])
        #expect(throws: BillingFailure.accountNotFound(account)) { try lookUp.cached(account, for: stranger, at: now) }
        // Another master's account of the same id is another account.
        let other = Caller(name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "second"))
        #expect(try lookUp.cached(account, for: other, at: now) == nil)
        #expect(source.calls.count == 1)
    }

    @Test("asks nobody for a caller who may not")
    func scope() async {
        let source = FakeSource()
        await #expect(throws: BillingFailure.scopeMissing(.billingRead)) {
            try await lookUp(source)(account, for: .nothing)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("asks nobody about an account that is not the caller's: it is answered like one that does not exist")
    func foreign() async {
        let source = FakeSource()
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingRead], accounts: [AccountID(literal: "b")])
        await #expect(throws: BillingFailure.accountNotFound(account)) {
            try await lookUp(source)(account, for: caller)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("asks about the caller's own master account")
    func master() async throws {
        let source = FakeSource()
        let caller = Caller(name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "second"))
        _ = try await lookUp(source)(account, for: caller)
        #expect(source.masters == [Name(literal: "second")])
    }

    @Test("is for sub accounts: the master's own billing is not found by its alias")
    func masterAlias() async {
        let source = FakeSource()
        let me = AccountID(literal: "me")
        await #expect(throws: BillingFailure.accountNotFound(me)) {
            try await lookUp(source)(me, for: .everything)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("keeps the billing of an account that pays for itself to itself, and that it does so")
    func selfPay() async throws {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in .selfPay })
        let lookUp = lookUp(source)
        for _ in 0..<2 {
            let entry = try await lookUp(account, for: .everything)
            #expect(entry.failure == .selfPay && entry.fake.contact == nil)
        }
        #expect(source.calls.count == 1)
    }

    @Test(
        "passes on why the source failed, and keeps nothing of it",
        arguments: [
            BillingFailure.rateLimited(retryAfter: .seconds(3)), .credentialsRefused, .sourceFailed, .timedOut,
            .permissionMissing(anyOf: ["a"]), .dailyQuotaSpent(retryAfter: .seconds(3)),
        ])
    func failed(failure: BillingFailure) async {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in throw failure })
        let lookUp = lookUp(source)
        for _ in 0..<2 {
            await #expect(throws: failure) { try await lookUp(account, for: .everything) }
        }
        #expect(source.calls.count == 2)
    }
}
