import Domain
import DomainFakes
import Testing

@Suite("A caller")
struct CallerTests {
    private static let (a, b) = (AccountID(literal: "a"), AccountID(literal: "b"))

    private static func caller(
        _ scopes: Set<Caller.Scope> = [.billingExport], master: String? = nil, accounts: AllowList? = nil
    ) -> Caller {
        Caller(
            name: Name(literal: "job"), scopes: scopes, master: master.map { Name(literal: $0) }, accounts: accounts)
    }

    @Test("may do what its scopes say and nothing else", arguments: Caller.Scope.allCases)
    func scopes(scope: Caller.Scope) throws {
        let caller = Self.caller([scope])
        try caller.require(scope)
        for other in Caller.Scope.allCases where other != scope {
            #expect(throws: BillingFailure.scopeMissing(other)) { try caller.require(other) }
        }
    }

    @Test("may ask about the accounts that are its own; any other is to it one that does not exist")
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
        let mayGoOn: Bool
        let testDescription: String
    }

    @Test(
        "may go on with an export as long as all of it would still be its own",
        arguments: [
            Change(before: caller(), after: caller(), mayGoOn: true, testDescription: "nothing changed"),
            Change(
                before: caller(), after: caller([.billingExport, .billingRead]), mayGoOn: true,
                testDescription: "another scope"),
            Change(
                before: caller(), after: caller([.billingRead]), mayGoOn: false, testDescription: "the scope is gone"),
            Change(
                before: caller(), after: caller(accounts: [a]), mayGoOn: false,
                testDescription: "no longer all accounts"),
            Change(
                before: caller(accounts: [a]), after: caller(), mayGoOn: true, testDescription: "all accounts by now"),
            Change(
                before: caller(accounts: [a]), after: caller(accounts: [a, b]), mayGoOn: true,
                testDescription: "one account more"),
            Change(
                before: caller(accounts: [a, b]), after: caller(accounts: [b]), mayGoOn: false,
                testDescription: "one account less"),
            Change(
                before: caller(master: "m"), after: caller(master: "n"), mayGoOn: false,
                testDescription: "another master"),
        ])
    func goingOn(change: Change) {
        #expect(change.after.mayGoOnExporting(since: change.before) == change.mayGoOn)
    }
}

@Suite("A name")
struct NameTests {
    @Test(
        "is 1 to 64 characters that stand in logs and on command lines as they are",
        arguments: ["a", "reports", "team/app:eu-1@prod_2.x", String(repeating: "x", count: 64)])
    func good(text: String) {
        #expect(Name(text)?.rawValue == text)
    }

    @Test(
        "is nothing else",
        arguments: ["", "-a", "--name", "a b", "a\n", "a\"", "é", "a\u{1B}[0m", String(repeating: "x", count: 65)]
    )
    func bad(text: String) {
        #expect(Name(text) == nil)
    }
}
