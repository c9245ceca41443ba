import Domain

extension ZoomEndpoint {
    /// An invoice as a PDF file (Zoom: Download an invoice file).
    static let downloadInvoiceFile = ZoomEndpoint(
        .downloadInvoiceFile, .get, "/billing/invoices/{invoiceId}/download", rateLabel: .heavy,
        scopes: ["billing:master", "billing:read:download_invoice_file:master"],
        // The header of a PDF file (ISO 32000-1, 7.5.2).
        answerBody: .file(beginning: "%PDF"),
        // Only errors are read whole.
        answerBytesMax: 64 * 1024)
}
