import Domain

extension AccountWriteHandler {
    /// `POST /v2/accounts/{accountId}/plans` (Zoom: Subscribe plans).
    static func subscribePlans(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.subscribePlans, .post, "/v2/accounts/{accountId}/plans", services)
    }
}
