import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/billing/invoices/{invoiceId}` (Zoom: Get invoice details).
    static func getInvoiceDetails(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/billing/invoices/{invoiceId}", services) {
            account, request, context throws(BillingFailure) in
            guard let invoice = InvoiceID(context.parameters.value(1, in: request.path)) else {
                throw .invalid([.init(field: "invoiceId", message: "Invalid field.")])
            }
            return .invoice(invoice, of: account)
        }
    }
}
