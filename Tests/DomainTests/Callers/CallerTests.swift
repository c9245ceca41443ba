import Domain
import DomainFakes
import Testing

@Suite("Caller")
struct CallerTests {
    private static let (a, b) = (AccountID(literal: "a"), AccountID(literal: "b"))

    private static func caller(
        _ scopes: Set<Caller.Scope> = [.billingExport], master: String? = nil, accounts: AllowList? = nil
    ) -> Caller {
        Caller(
            name: Name(literal: "job"), scopes: scopes, master: master.map { Name(literal: $0) }, accounts: accounts)
    }

    @Test("A caller may do exactly what its scopes permit", arguments: Caller.Scope.allCases)
    func scopes(scope: Caller.Scope) throws {
        let caller = Self.caller([scope])
        try caller.require(scope)
        for other in Caller.Scope.allCases where other != scope {
            #expect(throws: BillingFailure.scopeMissing(other)) { try caller.require(other) }
        }
    }

    @Test("A caller may look up the accounts of its allow-list; all others appear not found")
    func accounts() throws {
        try Self.caller().requireAccess(to: Self.a)
        try Self.caller(accounts: [Self.a]).requireAccess(to: Self.a)
        #expect(throws: BillingFailure.accountNotFound(Self.b)) {
            try Self.caller(accounts: [Self.a]).requireAccess(to: Self.b)
        }
        #expect(throws: BillingFailure.accountNotFound(Self.a)) {
            try Self.caller(accounts: []).requireAccess(to: Self.a)
        }
        let me = AccountID(literal: "me")
        #expect(throws: BillingFailure.accountNotFound(me)) { try Self.caller().requireAccess(to: me) }
    }

    struct Change: CustomTestStringConvertible {
        let before: Caller
        let after: Caller
        let mayContinue: Bool
        let testDescription: String
    }

    @Test(
        "A caller may continue an export only while its permissions cover all of it",
        arguments: [
            Change(before: caller(), after: caller(), mayContinue: true, testDescription: "nothing changed"),
            Change(
                before: caller(), after: caller([.billingExport, .billingRead]), mayContinue: true,
                testDescription: "scope added"),
            Change(
                before: caller(), after: caller([.billingRead]), mayContinue: false, testDescription: "scope removed"),
            Change(
                before: caller([.billingExport, .plansRead]), after: caller([.billingExport]), mayContinue: false,
                testDescription: "scope of a kind of data removed"),
            Change(
                before: caller(), after: caller(accounts: [a]), mayContinue: false,
                testDescription: "allow-list added"),
            Change(
                before: caller(accounts: [a]), after: caller(), mayContinue: true, testDescription: "allow-list removed"
            ),
            Change(
                before: caller(accounts: [a]), after: caller(accounts: [a, b]), mayContinue: true,
                testDescription: "account added to the allow-list"),
            Change(
                before: caller(accounts: [a, b]), after: caller(accounts: [b]), mayContinue: false,
                testDescription: "account removed from the allow-list"),
            Change(
                before: caller(master: "m"), after: caller(master: "n"), mayContinue: false,
                testDescription: "other master account"),
        ])
    func continuing(change: Change) {
        #expect(change.after.mayContinueExport(startedAs: change.before) == change.mayContinue)
    }
}

@Suite("Name")
struct NameTests {
    @Test(
        "A name has 1 to 64 characters that need no escaping in logs and on command lines",
        arguments: ["a", "reports", "team/app:eu-1@prod_2.x", String(repeating: "x", count: 64)])
    func good(text: String) {
        #expect(Name(text)?.rawValue == text)
    }

    @Test(
        "An invalid name is refused",
        arguments: ["", "-a", "--name", "a b", "a\n", "a\"", "é", "a\u{1B}[0m", String(repeating: "x", count: 65)]
    )
    func bad(text: String) {
        #expect(Name(text) == nil)
    }
}
