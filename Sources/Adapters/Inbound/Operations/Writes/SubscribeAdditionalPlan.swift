import Domain

extension AccountWriteHandler {
    /// `POST /v2/accounts/{accountId}/plans/addons` (Zoom: Subscribe additional plan).
    static func subscribeAdditionalPlan(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.subscribeAdditionalPlan, .post, "/v2/accounts/{accountId}/plans/addons", services)
    }
}
