extension OperationRules {
    /// Changes fields of the billing contact of one account (Zoom: Update billing information).
    static let updateBillingInformation = OperationRules(
        "Update billing information", callerScope: .billingWrite,
        effect: .write(shownBy: .getBillingInformation, invalidates: [.getBillingInformation]))
}
