import Domain
import DomainFakes
import Testing

@Suite("Looking up a contact")
struct LookUpContactTests {
    let account = AccountID(literal: "a")

    @Test("gives the contact and when it was read")
    func found() async throws {
        let clock = TestClock(start: Timestamp(secondsSinceEpoch: 5))
        let dated = try await LookUpContact(source: FakeSource(), time: clock)(account, for: .everything)
        #expect(dated == DatedContact(contact: .sample(account), asOf: Timestamp(secondsSinceEpoch: 5)))
    }

    @Test("asks nobody for a caller who may not")
    func scope() async {
        let source = FakeSource()
        await #expect(throws: BillingFailure.scopeMissing(.billingRead)) {
            try await LookUpContact(source: source, time: TestClock())(account, for: .nothing)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("asks nobody about an account that is not the caller's: it is answered like one that does not exist")
    func foreign() async {
        let source = FakeSource()
        let caller = Caller(
            name: Name(literal: "job"), scopes: [.billingRead], accounts: [AccountID(literal: "b")])
        await #expect(throws: BillingFailure.accountNotFound(account)) {
            try await LookUpContact(source: source, time: TestClock())(account, for: caller)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("asks about the caller's own master account")
    func master() async throws {
        let source = FakeSource()
        let caller = Caller(name: Name(literal: "job"), scopes: [.billingRead], master: Name(literal: "second"))
        _ = try await LookUpContact(source: source, time: TestClock())(account, for: caller)
        #expect(source.masters == [Name(literal: "second")])
    }

    @Test("is for sub accounts: the master's own billing is not found by its alias")
    func masterAlias() async {
        let source = FakeSource()
        let me = AccountID(literal: "me")
        await #expect(throws: BillingFailure.accountNotFound(me)) {
            try await LookUpContact(source: source, time: TestClock())(me, for: .everything)
        }
        #expect(source.calls.isEmpty)
    }

    @Test("keeps the billing of an account that pays for itself to itself")
    func selfPay() async {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in .selfPay })
        await #expect(throws: BillingFailure.selfPay) {
            try await LookUpContact(source: source, time: TestClock())(account, for: .everything)
        }
    }

    @Test(
        "passes on why the source failed",
        arguments: [
            BillingFailure.accountNotFound(AccountID(literal: "a")), .budgetSpent(retryAfter: .seconds(3)),
            .credentialsRefused, .sourceFailed, .timedOut,
        ])
    func failed(failure: BillingFailure) async {
        let source = FakeSource(answer: { _, _ async throws(BillingFailure) in throw failure })
        await #expect(throws: failure) {
            try await LookUpContact(source: source, time: TestClock())(account, for: .everything)
        }
    }
}
