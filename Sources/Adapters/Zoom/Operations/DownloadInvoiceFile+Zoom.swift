import Domain

extension ZoomEndpoint {
    /// An invoice as a PDF file (Zoom: Download an invoice file).
    static let downloadInvoiceFile = ZoomEndpoint(
        .downloadInvoiceFile, .get, "/billing/invoices/{invoiceId}/download", rateLabel: .heavy,
        scopes: ["billing:master", "billing:read:download_invoice_file:master"],
        answerBody: .bytes)
}
