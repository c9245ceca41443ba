import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/billing` (Zoom: Get billing information).
    static func getBillingInformation(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/billing", services, .getBillingInformation)
    }
}
