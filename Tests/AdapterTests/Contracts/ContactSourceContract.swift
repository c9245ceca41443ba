import Adapters
import Domain
import DomainFakes
import Testing

/// What every source of contacts keeps to, so that the fake the domain is tested with cannot lie.
@Suite("A contact source", .timeLimit(.minutes(1)))
struct ContactSourceContract {
    enum Kind: CaseIterable, CustomTestStringConvertible {
        case fake
        case zoomClient

        var testDescription: String {
            switch self {
            case .fake: "the fake"
            case .zoomClient: "the Zoom client, on a sandbox"
            }
        }

        func with(
            _ test: (any ContactSource & SubAccountDirectory, _ paid: AccountID, _ selfPay: AccountID) async throws ->
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
                    case paid: return .masterPays(.sample(account))
                    case selfPay: return .selfPay
                    default: throw .accountNotFound(account)
                    }
                }
                try await test(fake, paid, selfPay)
            }
        }
    }

    @Test("gives the contact of an account the master pays for", arguments: Kind.allCases)
    func paid(kind: Kind) async throws {
        try await kind.with { source, paid, _ in
            let contact = try await source.billing(of: paid, for: .interactive).visibleContact()
            #expect(contact.missing.isEmpty)
            #expect(contact[.lastName] != "")
        }
    }

    @Test("answers that an account pays for itself", arguments: Kind.allCases)
    func selfPay(kind: Kind) async throws {
        try await kind.with { source, _, selfPay in
            let billing = try await source.billing(of: selfPay, for: .bulk)
            #expect(billing == .selfPay)
        }
    }

    @Test("does not find an account that does not exist", arguments: Kind.allCases)
    func unknown(kind: Kind) async throws {
        let nobody = AccountID(literal: "nobody")
        try await kind.with { source, _, _ in
            await #expect(throws: BillingFailure.accountNotFound(nobody)) {
                try await source.billing(of: nobody, for: .interactive)
            }
        }
    }

    @Test("knows every account its directory names", arguments: Kind.allCases)
    func directory(kind: Kind) async throws {
        try await kind.with { source, paid, selfPay in
            let accounts = try await source.subAccounts()
            #expect(accounts.contains(paid) && accounts.contains(selfPay))
            for account in accounts.prefix(3) { _ = try await source.billing(of: account, for: .bulk) }
        }
    }
}
