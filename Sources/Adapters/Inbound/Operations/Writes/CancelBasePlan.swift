import Domain

extension AccountWriteHandler {
    /// `PATCH /v2/accounts/{accountId}/plans/base/status` (Zoom: Cancel a base plan).
    static func cancelBasePlan(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.cancelBasePlan, .patch, "/v2/accounts/{accountId}/plans/base/status", services)
    }
}
