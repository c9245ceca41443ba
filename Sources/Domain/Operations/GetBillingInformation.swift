extension OperationRules {
    /// The billing contact of one account (Zoom: Get billing information).
    static let getBillingInformation = OperationRules(callerScope: .billingRead, effect: .read)
}
