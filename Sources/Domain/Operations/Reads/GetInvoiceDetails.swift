extension OperationRules {
    /// One invoice with its items (Zoom: Get invoice details).
    static let getInvoiceDetails = OperationRules(
        "Get invoice details", callerScope: .invoicesRead, effect: .read,
        quota: AccountQuota(interval: .seconds(30 * 60), perDay: 100, intervalIsPer: .invoice))
}

extension AccountRead {
    package static func invoice(_ invoice: InvoiceID, of account: AccountID) -> AccountRead {
        AccountRead(.getInvoiceDetails, account, .invoice(invoice))
    }
}
