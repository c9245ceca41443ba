import Domain

extension AccountWriteHandler {
    /// `PATCH /v2/accounts/{accountId}/billing` (Zoom: Update billing information).
    static func updateBillingInformation(_ services: Services) -> RouteTable<any RouteHandler>.Route {
        route(.updateBillingInformation, .patch, "/v2/accounts/{accountId}/billing", services)
    }
}
