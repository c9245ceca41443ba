import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/plans` (Zoom: Get plan information).
    static func getPlanInformation(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/plans", services, .getPlanInformation)
    }
}
