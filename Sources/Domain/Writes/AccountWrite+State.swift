extension AccountWrite {
    /// The rules that the account's plans break, such as an additional plan without a base plan.
    package func violations(given plans: AccountPlans) -> [BillingFailure.Violation] {
        let rules = PlanStateRules(plans)
        return switch change {
        case .contact: []
        case .subscription(let subscription): rules.violations(ofSubscribing: subscription)
        case .additionalPlans(let orders): rules.violations(ofAdding: orders)
        case .additionalPlan(let order): rules.violations(ofUpdating: order)
        case .basePlan(let order): rules.violations(ofUpdatingBaseTo: order)
        case .cancellation(let code): rules.violations(ofCancelling: code)
        case .baseCancellation: rules.violationsOfCancellingBase()
        }
    }

    /// The rules that the account's contact breaks, such as a state of another country.
    package func violations(given contact: BillingContact) -> [BillingFailure.Violation] {
        switch change {
        case .contact(let change): change.violations(given: contact)
        case .subscription, .additionalPlans, .additionalPlan, .basePlan, .cancellation, .baseCancellation: []
        }
    }

    /// Whether an account in this state has the values of the write. `false` if the read cannot show it.
    ///
    /// A plan without a status proves nothing, and neither does a code without its term.
    package func isShown(by state: AccountState) -> Bool {
        switch (change, state) {
        case (.contact(let change), .contact(let contact)): change.isShown(by: contact)
        case (.subscription, .plans(let plans)), (.additionalPlans, .plans(let plans)),
            (.additionalPlan, .plans(let plans)), (.basePlan, .plans(let plans)):
            orders.allSatisfy(plans.shows)
        case (.cancellation(let code), .plans(let plans)):
            plans.plans.allSatisfy { !$0.code.canMatch(code) || $0.hasEnded }
        case (.baseCancellation, .plans(let plans)):
            plans.plans.allSatisfy { $0.role != .base || $0.hasEnded }
        case (.contact, .plans), (.subscription, .contact), (.additionalPlans, .contact), (.additionalPlan, .contact),
            (.basePlan, .contact), (.cancellation, .contact), (.baseCancellation, .contact):
            false
        }
    }

    /// The values that the write changes, compared with the state.
    package func differences(from state: AccountState) -> [Difference] {
        switch (change, state) {
        case (.contact(let change), .contact(let contact)): change.differences(from: contact, at: "")
        case (.subscription(let subscription), .contact(let contact)):
            subscription.contact?.differences(from: contact, at: Subscription.contactName) ?? []
        case (.subscription, .plans), (.additionalPlans, .plans):
            orders.flatMap { $0.differences(from: nil) }
        case (.additionalPlan(let order), .plans(let plans)), (.basePlan(let order), .plans(let plans)):
            order.differences(from: plans.plan(changedBy: order))
        case (.cancellation(let code), .plans(let plans)):
            plans.cancellation(of: plans.plans.filter { $0.code.text == code.text && $0.role != .base })
        case (.baseCancellation, .plans(let plans)):
            plans.cancellation(of: plans.plans.filter { $0.kind == .known(.base) })
        case (.contact, .plans), (.additionalPlans, .contact), (.additionalPlan, .contact), (.basePlan, .contact),
            (.cancellation, .contact), (.baseCancellation, .contact):
            []
        }
    }
}

extension PlanOrder {
    fileprivate func differences(from plan: AccountPlans.Plan?) -> [Difference] {
        var differences: [Difference] = []
        if plan?.code.text != code.text {
            differences.append(Difference(field: codeField, from: plan?.code.text, to: code.text))
        }
        if let hosts, plan?.hosts != hosts {
            differences.append(
                Difference(field: field(PlanField.hosts), from: plan?.hosts.map { "\($0)" }, to: "\(hosts)"))
        }
        return differences
    }
}

extension AccountPlans {
    /// Whether a plan of the order is active with its hosts.
    fileprivate func shows(_ order: PlanOrder) -> Bool {
        plans.contains { plan in
            guard plan.code.text == order.code.text, plan.status == .active else { return false }
            guard order.kind == nil || plan.kind == order.kind else { return false }
            guard order.member == nil || plan.member == order.member else { return false }
            return order.hosts == nil || plan.hosts == order.hosts
        }
    }

    /// The plan that an update changes: the one of the code, else the only one of the kind; `nil` if there are several.
    fileprivate func plan(changedBy order: PlanOrder) -> Plan? {
        let candidates = plans.filter { $0.status != .expired && (order.kind == nil || $0.kind == order.kind) }
        if let same = candidates.first(where: { $0.code.text == order.code.text }) { return same }
        return order.kind != nil && candidates.count == 1 ? candidates[0] : nil
    }

    fileprivate func cancellation(of plans: [Plan]) -> [Difference] {
        plans.filter { !$0.hasEnded }.map { plan in
            Difference(field: "\(plan.member).status", from: plan.status.text, to: Status.cancelled.text)
        }
    }
}
