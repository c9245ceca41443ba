import Domain

extension ZoomEndpoint {
    /// One invoice with its items (Zoom: Get invoice details).
    static let getInvoiceDetails = ZoomEndpoint(
        .getInvoiceDetails, .get, "/accounts/{accountId}/billing/invoices/{invoiceId}", rateLabel: .heavy,
        scopes: ["billing:master", "billing:read:invoice_details:master", "billing:read:invoice_details:admin"],
        answerBody: .object,
        interpret: { failure, read in
            if failure.isFreeAccount { return .accountIsFree }
            // Zoom does not document the answer to an unknown invoice.
            guard case .invoice(let invoice) = read.parameter, failure.isUnknownResource else { return nil }
            return .invoiceNotFound(invoice)
        })
}
