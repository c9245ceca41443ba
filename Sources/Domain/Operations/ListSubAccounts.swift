extension OperationRules {
    /// All sub accounts of a master account (Zoom: List sub accounts). Callers receive them as part of an export.
    static let listSubAccounts = OperationRules("List sub accounts", callerScope: .billingExport, effect: .read)
}
