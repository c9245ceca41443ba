extension OperationRules {
    /// The sub accounts of a master account (Zoom: List sub accounts).
    ///
    /// The scope is that of Get sub account details: the list shows the same of each account, to find the accounts to look
    /// up. An allow-list limits both.
    static let listSubAccounts = OperationRules("List sub accounts", callerScope: .billingRead, effect: .read)
}
