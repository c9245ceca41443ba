/// A change of one account whose rules have been checked: what is sent, and what it means.
package struct AccountWrite: Sendable, Equatable {
    package let operation: Operation
    package let account: AccountID

    /// What is sent: the caller's members in their order. Texts have no blanks at either end, and numbers are plain digits.
    package let body: InputValue

    /// The plans that the body contains, for the audit log and the dry run.
    package var plans: [PlanQuantity] { [] }

    /// Zoom's names of the members that the body contains. The fields of a contact are listed one by one.
    package var changedFields: [String] { [] }

    /// The members of the body that contain plans of kinds this service does not know. Their values are sent as they are.
    package var unknownKinds: [String] { [] }

    /// The read that shows the effect of the write.
    package var shownBy: AccountRead {
        operation == .updateBillingInformation ? .billingInformation(of: account) : .planInformation(of: account)
    }

    /// Checks a caller's request against the rules of its operation.
    ///
    /// The messages of violations contain the values of the caller, which can be personal data. They are for this caller only
    /// and must not be logged.
    ///
    /// - Precondition: The operation is a write.
    /// - Throws: `invalid` with all broken rules.
    package static func make(
        _ operation: Operation, of account: AccountID, from input: InputValue, rules: WriteRules
    ) throws(BillingFailure) -> AccountWrite {
        guard case .write = operation.rules.effect else { preconditionFailure("\(operation.title) is not a write") }
        return AccountWrite(operation: operation, account: account, body: input)
    }

    /// The rules that the account's plans break, such as an additional plan without a base plan.
    package func violations(given plans: AccountPlans) -> [BillingFailure.Violation] { [] }

    /// The rules that the account's contact breaks, such as a state of another country.
    package func violations(given contact: BillingContact) -> [BillingFailure.Violation] { [] }

    /// Whether the state can only be the one after this write. `false` if the read cannot show it.
    package func isShown(by state: AccountState) -> Bool { false }

    /// The values that the write changes, compared with the state.
    package func differences(from state: AccountState) -> [Difference] { [] }
}

/// The settings of the rules for writes.
package struct WriteRules: Sendable, Equatable {
    /// Whether codes that this service does not know are refused (setting `zoom.strict-plans`).
    package var isStrict: Bool

    package init(isStrict: Bool = true) {
        self.isStrict = isStrict
    }
}

/// A plan and its number of licences.
package struct PlanQuantity: Sendable, Equatable {
    package let code: String
    /// `nil` for plans without a number, and for cancellations.
    package let hosts: Int?

    package init(code: String, hosts: Int?) {
        self.code = code
        self.hosts = hosts
    }
}

/// What a read of an account shows that a write can change.
package enum AccountState: Sendable, Equatable {
    case contact(BillingContact)
    case plans(AccountPlans)
}

/// A value before and after a write.
package struct Difference: Sendable, Equatable {
    /// Zoom's name of the field.
    package let field: String
    /// `nil` if there is nothing before.
    package let from: String?
    /// `nil` if there is nothing afterwards.
    package let to: String?

    package init(field: String, from: String?, to: String?) {
        self.field = field
        self.from = from
        self.to = to
    }
}
