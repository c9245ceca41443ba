import Domain

extension ZoomEndpoint {
    /// Gives a free account its base plan, and additional plans with it (Zoom: Subscribe plans).
    static let subscribePlans = ZoomEndpoint(
        .subscribePlans, .post, "/accounts/{accountId}/plans", rateLabel: .heavy,
        scopes: ["billing:master", "billing:write:subscribe_plan:master"],
        answerBody: .none)
}
