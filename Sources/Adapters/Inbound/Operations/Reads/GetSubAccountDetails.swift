import Domain

extension AccountReadHandler {
    /// `GET /v2/accounts/{accountId}` (Zoom: Get sub account details).
    static func getSubAccountDetails(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route("/v2/accounts/{accountId}", services, .getSubAccountDetails)
    }
}
