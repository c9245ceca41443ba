/// A kind of billing data. An export has an event for each account and kind, in the order of the cases.
package enum ExportKind: Sendable, Hashable {
    case contact
    case plans
    case usage
    case invoices(InvoicePeriod)

    package func read(of account: AccountID) -> AccountRead {
        switch self {
        case .contact: .billingInformation(of: account)
        case .plans: .planInformation(of: account)
        case .usage: .planUsage(of: account)
        case .invoices(let period): .invoices(of: account, in: period)
        }
    }

    package var operation: Operation {
        switch self {
        case .contact: .getBillingInformation
        case .plans: .getPlanInformation
        case .usage: .getPlanUsage
        case .invoices: .listBillingInvoices
        }
    }

    /// What a caller needs besides the scope for exports; `nil` if that is enough.
    var callerScope: Caller.Scope? {
        switch self {
        case .contact: nil
        case .plans, .usage, .invoices: operation.rules.callerScope
        }
    }
}
