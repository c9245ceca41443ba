import Domain

extension ZoomEndpoint {
    /// Cancels an additional plan of one account at the end of its term (Zoom: Cancel additional plans).
    static let cancelAdditionalPlans = ZoomEndpoint(
        .cancelAdditionalPlans, .patch, "/accounts/{accountId}/plans/addons/status", rateLabel: .heavy,
        scopes: ["billing:master", "billing:update:cancel_additional_plans:master"],
        answerBody: .none)
}
