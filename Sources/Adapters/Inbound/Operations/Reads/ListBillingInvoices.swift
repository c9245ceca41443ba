import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/billing/invoices?from&to` (Zoom: List billing invoices).
    ///
    /// Other parameters are ignored, as Zoom ignores them. Both parameters are required, so a mistyped name is noticed.
    static func listBillingInvoices(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/billing/invoices", services) {
            account, request, _ throws(BillingFailure) in
            let query = try Query(request.query, reading: ["from", "to"])
            let today = CalendarDate(of: services.time.timestamp)
            return .invoices(of: account, in: try InvoicePeriod(from: query["from"], to: query["to"], today: today))
        }
    }
}
