import Domain

extension AccountWriteHandler {
    /// `PUT /v2/accounts/{accountId}/plans/base` (Zoom: Update a base plan).
    static func updateBasePlan(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.updateBasePlan, .put, "/v2/accounts/{accountId}/plans/base", services)
    }
}
