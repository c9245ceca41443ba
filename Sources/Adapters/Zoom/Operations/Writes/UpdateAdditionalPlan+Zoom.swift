import Domain

extension ZoomEndpoint {
    /// Changes an additional plan of one account (Zoom: Update an additional plan).
    static let updateAdditionalPlan = ZoomEndpoint(
        .updateAdditionalPlan, .put, "/accounts/{accountId}/plans/addons", rateLabel: .heavy,
        scopes: ["billing:master", "billing:update:additional_plans:master"],
        answerBody: .none)
}
