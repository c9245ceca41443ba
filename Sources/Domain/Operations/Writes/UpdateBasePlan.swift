extension OperationRules {
    /// Changes the base plan of one account (Zoom: Update a base plan).
    static let updateBasePlan = OperationRules(
        "Update a base plan", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans))
}
