extension OperationRules {
    /// Gives a free account its base plan, and additional plans with it (Zoom: Subscribe plans).
    static let subscribePlans = OperationRules(
        "Subscribe plans", callerScope: .plansWrite,
        effect: .write(shownBy: .getPlanInformation, invalidates: readsOfPlans + [.getBillingInformation]))
}
