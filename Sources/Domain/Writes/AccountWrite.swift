/// A change of one account whose rules have been checked: what is sent, and what it means.
package struct AccountWrite: Sendable, Equatable {
    package let operation: Operation
    package let account: AccountID

    /// What is sent: the caller's members in their order. Texts have no blanks at either end, and numbers are plain digits.
    package let body: InputValue

    let change: Change

    /// What the body means.
    enum Change: Sendable, Equatable {
        case contact(ContactChange)
        case subscription(Subscription)
        case additionalPlans([PlanOrder])
        case additionalPlan(PlanOrder)
        case basePlan(PlanOrder)
        case cancellation(of: PlanCode)
        case baseCancellation
    }

    private init(_ operation: Operation, of account: AccountID, body: InputValue, _ change: Change) {
        self.operation = operation
        self.account = account
        self.body = body
        self.change = change
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
        var reader = InputReader(rules)
        let (change, body) = read(operation, from: input, by: &reader)
        guard let change, reader.violationCount == 0 else { throw .invalid(reader.violations) }
        return AccountWrite(operation, of: account, body: body, change)
    }

    /// - Returns: The canonical body, and what it means; `nil` only if a rule is broken.
    private static func read(
        _ operation: Operation, from input: InputValue, by reader: inout InputReader
    ) -> (Change?, InputValue) {
        switch operation {
        case .updateBillingInformation:
            let (change, body) = ContactChange.read(input, at: "", .part, by: &reader)
            return (.contact(change), body)
        case .subscribePlans:
            let (subscription, body) = Subscription.read(input, by: &reader)
            return (.subscription(subscription), body)
        case .subscribeAdditionalPlan:
            let (orders, body) = PlanOrder.readAdditional(input, by: &reader)
            return (.additionalPlans(orders), body)
        case .updateAdditionalPlan:
            let (order, body) = PlanOrder.readUpdate(input, of: .additional, by: &reader)
            return (order.map(Change.additionalPlan), body)
        case .updateBasePlan:
            let (order, body) = PlanOrder.readUpdate(input, of: .base, by: &reader)
            return (order.map(Change.basePlan), body)
        case .cancelAdditionalPlans:
            let (cancellation, body) = PlanCancellation.read(input, of: .additional, by: &reader)
            return (cancellation.code.map(Change.cancellation), body)
        case .cancelBasePlan:
            let (_, body) = PlanCancellation.read(input, of: .base, by: &reader)
            return (.baseCancellation, body)
        case .getBillingInformation, .listBillingInvoices, .getInvoiceDetails, .downloadInvoiceFile,
            .getPlanInformation,
            .getPlanUsage, .listSubAccounts, .getSubAccountDetails:
            preconditionFailure("\(operation.title) is not a write")
        }
    }
}

// MARK: - Audit

extension AccountWrite {
    /// The read that shows the effect of the write.
    package var shownBy: AccountRead {
        switch change {
        case .contact: .billingInformation(of: account)
        case .subscription, .additionalPlans, .additionalPlan, .basePlan, .cancellation, .baseCancellation:
            .planInformation(of: account)
        }
    }

    /// The plans that the body contains, for the audit log and the dry run.
    package var plans: [PlanQuantity] {
        switch change {
        case .contact, .baseCancellation: []
        case .cancellation(let code): [PlanQuantity(code: code.text, hosts: nil)]
        case .subscription, .additionalPlans, .additionalPlan, .basePlan:
            orders.map { PlanQuantity(code: $0.code.text, hosts: $0.hosts) }
        }
    }

    /// Zoom's names of the members that the body contains. The fields of a contact are listed one by one.
    package var changedFields: [String] {
        guard case .object(let members) = body else { return [] }
        return members.flatMap { member in
            guard member.name == Subscription.contactName, case .object(let fields) = member.value else {
                return [member.name]
            }
            return fields.map { "\(member.name).\($0.name)" }
        }
    }

    /// The members of the body that contain plans of kinds this service does not know. Their values are sent as they are.
    package var unknownKinds: [String] {
        var members: [String] = []
        for order in orders {
            guard case .other(let member) = order.kind, !members.contains(member) else { continue }
            members.append(member)
        }
        return members
    }

    var orders: [PlanOrder] {
        switch change {
        case .contact, .cancellation, .baseCancellation: []
        case .subscription(let subscription): subscription.orders
        case .additionalPlans(let orders): orders
        case .additionalPlan(let order), .basePlan(let order): [order]
        }
    }
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
