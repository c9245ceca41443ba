/// An operation of Zoom that the sandbox implements.
///
/// The raw value names the operation in faults; see `docs/sandbox.md`.
package enum SandboxOperation: String, Sendable, CaseIterable {
    case requestAccessToken = "token"
    case listSubAccounts = "accounts"
    case getSubAccount = "account"
    case getBillingInformation = "billing"
    case getPlanUsage = "plan-usage"
    case listInvoices = "invoices"

    /// The description of the operation, which is in its own file in `Operations/`.
    var endpoint: SandboxEndpoint {
        switch self {
        case .requestAccessToken: .requestAccessToken
        case .listSubAccounts: .listSubAccounts
        case .getSubAccount: .getSubAccount
        case .getBillingInformation: .getBillingInformation
        case .getPlanUsage: .getPlanUsage
        case .listInvoices: .listInvoices
        }
    }
}
