extension OperationRules {
    /// The invoices of an account in a period (Zoom: List billing invoices).
    static let listBillingInvoices = OperationRules(
        "List billing invoices", callerScope: .invoicesRead, effect: .read,
        quota: AccountQuota(interval: .seconds(5 * 60), perDay: 6, intervalIsPer: .account))
}

extension AccountRead {
    package static func invoices(of account: AccountID, in period: InvoicePeriod) -> AccountRead {
        AccountRead(.listBillingInvoices, account, .period(period))
    }
}
