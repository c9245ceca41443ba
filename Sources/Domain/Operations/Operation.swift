/// An operation of Zoom's Billing API that this service performs (Zoom: Billing, Accounts).
///
/// The raw value is Zoom's title of the operation. It is the label of metrics and the name of spans and in the documentation.
/// Each ring describes an operation in one file, and has one exhaustive switch over this type.
package enum Operation: String, Sendable, CaseIterable {
    case getBillingInformation = "Get billing information"
    case listSubAccounts = "List sub accounts"

    package var rules: OperationRules {
        switch self {
        case .getBillingInformation: .getBillingInformation
        case .listSubAccounts: .listSubAccounts
        }
    }
}

/// What the domain requires for an operation, whatever the account.
package struct OperationRules: Sendable, Equatable {
    package enum Effect: Sendable, Equatable {
        /// Changes nothing: the call may be repeated, and its answer may be cached.
        case read
        /// Changes an account: the call must not be sent twice. Cached answers of these operations are invalid afterwards.
        case write(invalidates: [Operation])
    }

    /// What a caller needs to request the operation for one account.
    package let callerScope: Caller.Scope

    package let effect: Effect
}
