import Domain

extension ZoomEndpoint {
    /// Changes fields of the billing contact of one account (Zoom: Update billing information).
    static let updateBillingInformation = ZoomEndpoint(
        .updateBillingInformation, .patch, "/accounts/{accountId}/billing", rateLabel: .heavy,
        scopes: ["billing:master", "billing_plan:master", "billing:update:billing_information:master"],
        answerBody: .none)
}
