extension OperationRules {
    /// Adds an additional plan to an account that has a base plan (Zoom: Subscribe additional plan).
    static let subscribeAdditionalPlan = OperationRules(
        "Subscribe additional plan", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans))
}
