import Domain

extension ZoomEndpoint {
    /// The plans to which an account subscribes (Zoom: Get plan information).
    static let getPlanInformation = ZoomEndpoint(
        .getPlanInformation, .get, "/accounts/{accountId}/plans", rateLabel: .medium,
        scopes: [
            "billing:master", "billing:read:plan_information:master", "billing:read:plan_information:admin",
        ],
        answerBody: .object,
        interpret: { failure, _ in failure.isFreeAccount ? .accountIsFree : nil })
}
