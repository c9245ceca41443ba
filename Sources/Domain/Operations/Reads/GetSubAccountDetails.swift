extension OperationRules {
    /// The owner and the options of one sub account, such as who pays for it (Zoom: Get sub account details).
    static let getSubAccountDetails = OperationRules(
        "Get sub account details", callerScope: .billingRead, effect: .read, hasSmallAnswers: true)
}

extension AccountRead {
    package static func subAccountDetails(of account: AccountID) -> AccountRead {
        AccountRead(.getSubAccountDetails, account)
    }
}
