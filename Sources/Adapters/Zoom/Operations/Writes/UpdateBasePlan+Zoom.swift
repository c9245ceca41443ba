import Domain

extension ZoomEndpoint {
    /// Changes the base plan of one account (Zoom: Update a base plan).
    static let updateBasePlan = ZoomEndpoint(
        .updateBasePlan, .put, "/accounts/{accountId}/plans/base", rateLabel: .heavy,
        scopes: ["billing:master", "billing:update:plan:master"],
        answerBody: .none)
}
