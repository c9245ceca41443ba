extension OperationRules {
    /// The billing contact of one account (Zoom: Get billing information).
    static let getBillingInformation = OperationRules(
        "Get billing information", callerScope: .billingRead, effect: .read, hasSmallAnswers: true)
}

extension AccountRead {
    package static func billingInformation(of account: AccountID) -> AccountRead {
        AccountRead(.getBillingInformation, account)
    }
}
