/// An operation of Zoom that the sandbox implements.
///
/// The raw value names the operation in faults; see `docs/sandbox.md`.
package enum SandboxOperation: String, Sendable, CaseIterable {
    case requestAccessToken = "token"
    case listSubAccounts = "accounts"
    case getSubAccountDetails = "account"
    case getBillingInformation = "billing"
    case getPlanInformation = "plans"
    case getPlanUsage = "plan-usage"
    case listBillingInvoices = "invoices"
    case getInvoiceDetails = "invoice"
    case downloadInvoiceFile = "invoice-file"
    case getStoredFile = "stored-file"
    case updateBillingInformation = "update-billing"
    case subscribePlans = "subscribe-plans"
    case subscribeAdditionalPlan = "subscribe-addon"
    case updateAdditionalPlan = "update-addon"
    case cancelAdditionalPlans = "cancel-addon"
    case updateBasePlan = "update-base"
    case cancelBasePlan = "cancel-base"
    case createSubAccount = "create-account"
    case disassociateSubAccount = "disassociate-account"

    /// Whether the regular response is a file instead of JSON.
    var respondsWithFile: Bool {
        switch endpoint.behaviour {
        case .file: true
        case .immediate, .afterBody, .write, .membership: false
        }
    }

    /// Whether it changes an account, or which accounts exist.
    var isWrite: Bool {
        switch endpoint.behaviour {
        case .write, .membership: true
        case .immediate, .file, .afterBody: false
        }
    }

    /// The description of the operation, which is in its own file in `Operations/`.
    var endpoint: SandboxEndpoint {
        switch self {
        case .requestAccessToken: .requestAccessToken
        case .listSubAccounts: .listSubAccounts
        case .getSubAccountDetails: .getSubAccountDetails
        case .getBillingInformation: .getBillingInformation
        case .getPlanInformation: .getPlanInformation
        case .getPlanUsage: .getPlanUsage
        case .listBillingInvoices: .listBillingInvoices
        case .getInvoiceDetails: .getInvoiceDetails
        case .downloadInvoiceFile: .downloadInvoiceFile
        case .getStoredFile: .getStoredFile
        case .updateBillingInformation: .updateBillingInformation
        case .subscribePlans: .subscribePlans
        case .subscribeAdditionalPlan: .subscribeAdditionalPlan
        case .updateAdditionalPlan: .updateAdditionalPlan
        case .cancelAdditionalPlans: .cancelAdditionalPlans
        case .updateBasePlan: .updateBasePlan
        case .cancelBasePlan: .cancelBasePlan
        case .createSubAccount: .createSubAccount
        case .disassociateSubAccount: .disassociateSubAccount
        }
    }
}
