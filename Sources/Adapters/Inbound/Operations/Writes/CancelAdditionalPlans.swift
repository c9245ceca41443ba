import Domain

extension AccountWriteHandler {
    /// `PATCH /v2/accounts/{accountId}/plans/addons/status` (Zoom: Cancel additional plans).
    static func cancelAdditionalPlans(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.cancelAdditionalPlans, .patch, "/v2/accounts/{accountId}/plans/addons/status", services)
    }
}
