import Domain

extension ZoomEndpoint {
    /// Cancels the base plan of one account at the end of its term (Zoom: Cancel a base plan).
    static let cancelBasePlan = ZoomEndpoint(
        .cancelBasePlan, .patch, "/accounts/{accountId}/plans/base/status", rateLabel: .heavy,
        scopes: ["billing:master", "billing:update:cancel_plan:master"],
        answerBody: .none)
}
