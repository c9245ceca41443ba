extension OperationRules {
    /// The plans to which an account subscribes (Zoom: Get plan information).
    static let getPlanInformation = OperationRules("Get plan information", callerScope: .plansRead, effect: .read)
}

extension AccountRead {
    package static func planInformation(of account: AccountID) -> AccountRead {
        AccountRead(.getPlanInformation, account)
    }
}
