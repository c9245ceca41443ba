import Domain
import DomainFakes
import Testing

@Suite("Reads of an account")
struct ReadAccountTests {
    let account = AccountID(literal: "a")

    private func lookUp(_ source: FakeSource, clock: TestClock = TestClock()) -> ReadAccount {
        ReadAccount(
            cache: BillingCache(source: source, time: clock, rules: CacheRules(), codec: FakeCodec()))
    }

    @Test("A read of an account returns the contact and the time of the source's answer")
    func found() async throws {
        let clock = TestClock(start: Timestamp(secondsSinceEpoch: 5))
        let entry = try await lookUp(FakeSource(), clock: clock)(.billingInformation(of: account), for: .everything)
        #expect(entry.fake.contact == .sample(account) && entry.fake.asOf == Timestamp(secondsSinceEpoch: 5))
        #expect(entry.failure == nil)
    }

    @Test("A cached contact is returned without a request to the source, to permitted callers only")
    func cached() async throws {
        let source = FakeSource()
        let lookUp = lookUp(source)
        let now = Moment(sinceOrigin: .zero)
        #expect(try lookUp.cached(.billingInformation(of: account), for: .everything, at: now) == nil)
        _ = try await lookUp(.billingInformation(of: account), for: .everything)
        #expect(
            try lookUp.cached(.billingInformation(of: account), for: .everything, at: now)?.fake.contact
                == .sample(account))
        #expect(throws: BillingFailure.scopeMissing(.billingRead)) {
            try lookUp.cached(.billingInformation(of: account), for: .nothing, at: now)
        }
        let stranger = Caller(name: Name(literal: "job"), scopes: [.billingRead], accounts: [AccountID(literal: "b")])
        #expect(throws: BillingFailure.accountNotFound(account)) {
            try lookUp.cached(.billingInformation(of: account), for: stranger, at: now)
        }
        // The same id under another master account is another account.
        let other = Caller(name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "second"))
        #expect(try lookUp.cached(.billingInformation(of: account), for: other, at: now) == nil)
        #expect(source.calls.count == 1)
    }

    @Test("A read of an account without the scope sends no request to the source")
    func scope() async {
        let source = FakeSource()
        await #expect(throws: BillingFailure.scopeMissing(.billingRead)) {
            try await lookUp(source)(.billingInformation(of: account), for: .nothing)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("A read of an account outside the allow-list appears not found, and sends no request to the source")
    func foreign() async {
        let source = FakeSource()
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingRead], accounts: [AccountID(literal: "b")])
        await #expect(throws: BillingFailure.accountNotFound(account)) {
            try await lookUp(source)(.billingInformation(of: account), for: caller)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("A read of an account uses the caller's master account")
    func master() async throws {
        let source = FakeSource()
        let caller = Caller(name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "second"))
        _ = try await lookUp(source)(.billingInformation(of: account), for: caller)
        #expect(source.masters == [Name(literal: "second")])
    }

    @Test("A read of an account does not find the master account by its alias")
    func masterAlias() async {
        let source = FakeSource()
        let me = AccountID(literal: "me")
        await #expect(throws: BillingFailure.accountNotFound(me)) {
            try await lookUp(source)(.billingInformation(of: me), for: .everything)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("A read of an account reports that an account pays for itself, and caches that failure")
    func selfPay() async throws {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in throw .selfPay })
        let lookUp = lookUp(source)
        for _ in 0..<2 {
            let entry = try await lookUp(.billingInformation(of: account), for: .everything)
            #expect(entry.failure == .selfPay && entry.fake.contact == nil)
        }
        #expect(source.calls.count == 1)
    }

    @Test(
        "A read of an account passes on the failure of the source, and does not cache it",
        arguments: [
            BillingFailure.rateLimited(retryAfter: .seconds(3)), .credentialsRefused, .sourceFailed, .timedOut,
            .permissionMissing(anyOf: ["a"]), .dailyQuotaSpent(retryAfter: .seconds(3)),
        ])
    func failed(failure: BillingFailure) async {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in throw failure })
        let lookUp = lookUp(source)
        for _ in 0..<2 {
            await #expect(throws: failure) { try await lookUp(.billingInformation(of: account), for: .everything) }
        }
        #expect(source.calls.count == 2)
    }
}
