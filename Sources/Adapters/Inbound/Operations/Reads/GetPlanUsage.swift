import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}/plans/usage` (Zoom: Get plan usage).
    static func getPlanUsage(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}/plans/usage", services, .getPlanUsage)
    }
}
