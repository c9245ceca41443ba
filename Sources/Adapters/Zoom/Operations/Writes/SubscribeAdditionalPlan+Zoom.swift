import Domain

extension ZoomEndpoint {
    /// Adds an additional plan to an account that has a base plan (Zoom: Subscribe additional plan).
    static let subscribeAdditionalPlan = ZoomEndpoint(
        .subscribeAdditionalPlan, .post, "/accounts/{accountId}/plans/addons", rateLabel: .heavy,
        scopes: ["billing:master", "billing:write:subscribe_additional_plans:master"],
        answerBody: .none)
}
