import Adapters
import Domain
import DomainFakes
import Testing

/// The contract of `BillingSource`, run on the fake and on the Zoom client, so that both behave alike.
@Suite("Billing source contract", .timeLimit(.minutes(10)))
struct BillingSourceContract {
    enum Kind: CaseIterable, CustomTestStringConvertible {
        case fake
        case zoomClient

        var testDescription: String {
            switch self {
            case .fake: "the fake"
            case .zoomClient: "the Zoom client with a sandbox"
            }
        }

        func with(
            _ test: (any BillingSource & SubAccountDirectory, _ paid: AccountID, _ selfPay: AccountID) async throws ->
                Void
        ) async throws {
            switch self {
            case .zoomClient:
                try await TestZoom.with { try await test($0.client, $0.paidAccount, $0.selfPayAccount) }
            case .fake:
                let paid = AccountID(literal: "paid")
                let selfPay = AccountID(literal: "self")
                let fake = FakeSource(listed: [paid, selfPay]) { account, _ async throws(BillingFailure) in
                    switch account {
                    case paid: return .contact(.sample(account))
                    case selfPay: throw .selfPay
                    default: throw .accountNotFound(account)
                    }
                }
                try await test(fake, paid, selfPay)
            }
        }
    }

    @Test("an account paid by its master has a contact", arguments: Kind.allCases)
    func paid(kind: Kind) async throws {
        try await kind.with { source, paid, _ in
            let contact = try await source.billing(of: paid, for: .interactive)
            #expect(contact.missing.isEmpty)
            #expect(contact[.lastName] != "")
        }
    }

    @Test("an account that pays for itself is reported as self pay", arguments: Kind.allCases)
    func selfPay(kind: Kind) async throws {
        try await kind.with { source, _, selfPay in
            await #expect(throws: BillingFailure.selfPay) { try await source.billing(of: selfPay, for: .bulk) }
        }
    }

    @Test("an unknown account is accountNotFound", arguments: Kind.allCases)
    func unknown(kind: Kind) async throws {
        let nobody = AccountID(literal: "nobody")
        try await kind.with { source, _, _ in
            await #expect(throws: BillingFailure.accountNotFound(nobody)) {
                try await source.billing(of: nobody, for: .interactive)
            }
        }
    }

    @Test("every listed account can be looked up", arguments: Kind.allCases)
    func directory(kind: Kind) async throws {
        try await kind.with { source, paid, selfPay in
            let accounts = try await source.subAccounts()
            #expect(accounts.contains(paid) && accounts.contains(selfPay))
            for account in accounts.prefix(3) where account != selfPay {
                try await source.billing(of: account, for: .bulk)
            }
        }
    }
}
