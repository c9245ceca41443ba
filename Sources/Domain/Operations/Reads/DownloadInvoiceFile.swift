extension OperationRules {
    /// An invoice as a PDF file (Zoom: Download an invoice file).
    static let downloadInvoiceFile = OperationRules(
        "Download an invoice file", callerScope: .invoicesRead, effect: .read,
        quota: AccountQuota(interval: .seconds(30 * 60), perDay: 100, intervalIsPer: .invoice))
}
