extension OperationRules {
    /// Changes an additional plan of one account (Zoom: Update an additional plan).
    static let updateAdditionalPlan = OperationRules(
        "Update an additional plan", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans))
}
