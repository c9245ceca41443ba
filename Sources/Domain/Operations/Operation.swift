/// An operation of Zoom's Billing API that this service performs (Zoom: Billing, Accounts).
///
/// Each ring describes an operation in one file, and has one exhaustive switch over this type. The raw value is part of the
/// hash of a cache key and has no other meaning.
package enum Operation: UInt8, Sendable, CaseIterable {
    case getBillingInformation
    case listBillingInvoices
    case getInvoiceDetails
    case downloadInvoiceFile
    case getPlanInformation
    case getPlanUsage
    case listSubAccounts
    case getSubAccountDetails
    case updateBillingInformation
    case subscribePlans
    case subscribeAdditionalPlan
    case updateAdditionalPlan
    case cancelAdditionalPlans
    case updateBasePlan
    case cancelBasePlan

    package var rules: OperationRules {
        switch self {
        case .getBillingInformation: .getBillingInformation
        case .listBillingInvoices: .listBillingInvoices
        case .getInvoiceDetails: .getInvoiceDetails
        case .downloadInvoiceFile: .downloadInvoiceFile
        case .getPlanInformation: .getPlanInformation
        case .getPlanUsage: .getPlanUsage
        case .listSubAccounts: .listSubAccounts
        case .getSubAccountDetails: .getSubAccountDetails
        case .updateBillingInformation: .updateBillingInformation
        case .subscribePlans: .subscribePlans
        case .subscribeAdditionalPlan: .subscribeAdditionalPlan
        case .updateAdditionalPlan: .updateAdditionalPlan
        case .cancelAdditionalPlans: .cancelAdditionalPlans
        case .updateBasePlan: .updateBasePlan
        case .cancelBasePlan: .cancelBasePlan
        }
    }

    /// Zoom's title of the operation: the label of metrics, and the name of spans and in the documentation.
    package var title: String { rules.title }
}

/// What the domain requires for an operation, whatever the account.
package struct OperationRules: Sendable, Equatable {
    package enum Effect: Sendable, Equatable {
        /// Changes nothing: the call may be repeated, and its answer may be cached.
        case read
        /// Changes an account: the call must not be sent twice. Cached answers of the operations in `invalidates` are invalid
        /// afterwards. The read `shownBy` shows whether the call took effect.
        case write(shownBy: Operation, invalidates: [Operation])
    }

    package let title: String

    /// What a caller needs to request the operation for one account.
    package let callerScope: Caller.Scope

    package let effect: Effect

    /// The source's limit for one account, besides the rate of all its requests; `nil` if there is none.
    package let quota: AccountQuota?

    /// Whether every answer is so small that it is read in microseconds. Such a call may run on a thread that serves many
    /// callers.
    package let hasSmallAnswers: Bool

    init(
        _ title: String, callerScope: Caller.Scope, effect: Effect, quota: AccountQuota? = nil,
        hasSmallAnswers: Bool = false
    ) {
        self.title = title
        self.callerScope = callerScope
        self.effect = effect
        self.quota = quota
        self.hasSmallAnswers = hasSmallAnswers
    }

    /// The reads whose answers change when a plan is bought, changed or cancelled. A purchase is followed by an invoice.
    static let readsOfPlans: [Operation] = [.getPlanInformation, .getPlanUsage, .listBillingInvoices]
}

/// A read of one account: an operation with its parameters. It identifies a cached answer.
package struct AccountRead: Sendable, Hashable {
    /// What an operation needs besides the account. Indirect, so that a read without one is small and quick to copy.
    package indirect enum Parameter: Sendable, Hashable {
        case period(InvoicePeriod)
        case invoice(InvoiceID)
    }

    package let operation: Operation
    package let account: AccountID
    package let parameter: Parameter?

    /// A read without parameters. The operation must not have any.
    package init(_ operation: Operation, of account: AccountID) {
        self.init(operation, account)
    }

    init(_ operation: Operation, _ account: AccountID, _ parameter: Parameter? = nil) {
        self.operation = operation
        self.account = account
        self.parameter = parameter
    }
}
