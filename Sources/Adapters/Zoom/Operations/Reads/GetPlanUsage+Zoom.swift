import Domain

extension ZoomEndpoint {
    /// How much of its plans an account uses (Zoom: Get plan usage).
    static let getPlanUsage = ZoomEndpoint(
        .getPlanUsage, .get, "/accounts/{accountId}/plans/usage", rateLabel: .heavy,
        scopes: [
            "billing:master", "account:master", "billing:read:plan_usage:master", "billing:read:plan_usage:admin",
        ],
        answerBody: .object,
        interpret: { failure, _ in failure.isFreeAccount ? .accountIsFree : nil })
}
