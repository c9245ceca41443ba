import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/billing/invoices/{invoiceId}` (Zoom: Get invoice details).
    static func getInvoiceDetails(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/billing/invoices/{invoiceId}", services) {
            account, request, context throws(BillingFailure) in
            guard let invoice = context.parameters.id(1, in: request.path, as: InvoiceID.init) else {
                throw .invalid([.init(field: "invoiceId", message: "Invalid field.")])
            }
            return .invoice(invoice, of: account)
        }
    }
}
