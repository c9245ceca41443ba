extension OperationRules {
    /// Cancels an additional plan of one account at the end of its term (Zoom: Cancel additional plans).
    static let cancelAdditionalPlans = OperationRules(
        "Cancel additional plans", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans))
}
