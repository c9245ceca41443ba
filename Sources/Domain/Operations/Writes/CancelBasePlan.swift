extension OperationRules {
    /// Cancels the base plan of one account at the end of its term (Zoom: Cancel a base plan).
    static let cancelBasePlan = OperationRules(
        "Cancel a base plan", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans))
}
