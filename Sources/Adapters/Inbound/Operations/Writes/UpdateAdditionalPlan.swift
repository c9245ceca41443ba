import Domain

extension AccountWriteHandler {
    /// `PUT /v2/accounts/{accountId}/plans/addons` (Zoom: Update an additional plan).
    static func updateAdditionalPlan(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.updateAdditionalPlan, .put, "/v2/accounts/{accountId}/plans/addons", services)
    }
}
