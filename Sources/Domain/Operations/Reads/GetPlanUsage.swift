extension OperationRules {
    /// How much of its plans an account uses (Zoom: Get plan usage).
    static let getPlanUsage = OperationRules("Get plan usage", callerScope: .plansRead, effect: .read)
}

extension AccountRead {
    package static func planUsage(of account: AccountID) -> AccountRead {
        AccountRead(.getPlanUsage, account)
    }
}
