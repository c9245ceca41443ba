/// What the current plans of an account permit. A rule applies only if the source reports enough to be sure of it; otherwise
/// the source decides.
struct PlanStateRules {
    typealias Violation = BillingFailure.Violation

    private let plans: [AccountPlans.Plan]

    init(_ plans: AccountPlans) {
        // An expired plan has no effect.
        self.plans = plans.plans.filter { $0.status != .expired }
    }

    // MARK: The base plan

    /// A base plan or a bundle that is certainly active.
    private var activeBase: AccountPlans.Plan? { plans.first { $0.role == .base && $0.status == .active } }

    private var activeBundle: AccountPlans.Plan? {
        plans.first { plan in
            guard case .known(let kind) = plan.kind else { return false }
            return kind.isBundle && plan.status == .active
        }
    }

    /// Whether the account certainly has no base plan. A plan of an unknown kind can be one.
    private var hasNoBase: Bool { plans.allSatisfy { $0.role == .additional } }

    /// Whether the account is certainly free. Zoom sells some plans, such as phone plans, to accounts without a base plan.
    private var isFree: Bool { plans.allSatisfy { $0.role == .additional && $0.status == .cancelled } }

    private func isOnTrial(_ base: AccountPlans.Plan?) -> Bool { base?.code.family == .trial }

    // MARK: Subscriptions

    /// Only a free account can subscribe. Whether one on trial can, the source decides.
    func violations(ofSubscribing subscription: Subscription) -> [Violation] {
        guard let base = activeBase, !isOnTrial(base) else { return [] }
        let path = subscription.orders.first { $0.kind.map(Self.isBase) ?? false }?.path
        return [
            Violation(
                field: path ?? PlanKind.Known.base.rawValue,
                message: "Only a free account can subscribe. This one has the plan \(base.code.text.excerpt).")
        ]
    }

    private static func isBase(_ kind: PlanKind) -> Bool {
        guard case .known(let kind) = kind else { return false }
        return kind.role == .base
    }

    func violations(ofAdding orders: [PlanOrder]) -> [Violation] {
        if isFree { return [noBasePlan(PlanField.type)] }
        return orders.flatMap { order in
            [existing(order), roomsWithRoomsBase(order), audioWithoutLargeBase(order)].compactMap(\.self)
        }
    }

    private func noBasePlan(_ field: String) -> Violation {
        Violation(field: field, message: "The account has no base plan. It must subscribe to one first.")
    }

    /// The parts of phone plans can be added again.
    private func existing(_ order: PlanOrder) -> Violation? {
        guard order.path.isEmpty,
            plans.contains(where: { plan in
                plan.role != .base && plan.status == .active && plan.code.text == order.code.text
            })
        else {
            return nil
        }
        return Violation(
            field: order.codeField, message: "The account has the plan \(order.code.text) already. Update it instead.")
    }

    private func roomsWithRoomsBase(_ order: PlanOrder) -> Violation? {
        guard order.kind == .known(.zoomRooms), let base = activeBase, base.code.family == .zoomRooms else {
            return nil
        }
        return Violation(
            field: order.codeField,
            message: "An account with the base plan \(base.code.text) cannot have an additional plan for Zoom Rooms.")
    }

    /// Zoom sells pay-as-you-go audio with Business and Education plans only.
    private func audioWithoutLargeBase(_ order: PlanOrder) -> Violation? {
        guard order.code.family == .payAsYouGoAudio, activeBundle == nil else { return nil }
        guard let base = activeBase, base.kind == .known(.base), let family = base.code.family else { return nil }
        guard family != .business, family != .education else { return nil }
        return Violation(
            field: order.codeField,
            message: "\(order.code.text) needs a Business or Education base plan. The account has \(base.code.text).")
    }

    // MARK: Updates

    func violations(ofUpdating order: PlanOrder) -> [Violation] {
        if isFree { return [noBasePlan(PlanField.type)] }
        if let base = activeBase, isOnTrial(base) { return [onTrial(PlanField.type, "update")] }
        return [absent(order), audioWithoutLargeBase(order)].compactMap(\.self)
    }

    /// An update changes the size and the term of a plan, but not its kind.
    private func absent(_ order: PlanOrder) -> Violation? {
        guard let kind = order.kind, !plans.contains(where: { $0.kind == kind || $0.role == nil }) else { return nil }
        return Violation(
            field: order.codeField,
            message:
                "The account has no \(kind.member) that this could change. Subscribe to \(order.code.text) instead.")
    }

    private func onTrial(_ field: String, _ action: String) -> Violation {
        Violation(field: field, message: "The account is on a free trial. Zoom does not \(action) its plans.")
    }

    func violations(ofUpdatingBaseTo order: PlanOrder) -> [Violation] {
        if let bundle = activeBundle {
            return [
                Violation(
                    field: PlanField.type,
                    message: "Zoom does not update bundles. The account has \(bundle.code.text.excerpt).")
            ]
        }
        if hasNoBase { return [noBasePlan(PlanField.type)] }
        guard let base = activeBase, base.kind == .known(.base), let old = base.code.family,
            let new = order.code.family,
            old != new
        else { return [] }
        return [
            Violation(
                field: PlanField.type,
                message:
                    "Must be of the same kind as the current base plan, \(base.code.text). Given: \(order.code.text).")
        ]
    }

    // MARK: Cancellations

    func violations(ofCancelling code: PlanCode) -> [Violation] {
        if let base = activeBase, isOnTrial(base) { return [onTrial(PlanField.type, "cancel")] }
        guard !plans.contains(where: { $0.code.canMatch(code) }) else { return [] }
        return [Violation(field: PlanField.type, message: "The account has no plan \(code.text).")]
    }

    func violationsOfCancellingBase() -> [Violation] {
        let field = PlanKind.Known.base.rawValue
        if let bundle = activeBundle {
            return [
                Violation(
                    field: bundle.member,
                    message: "Zoom does not cancel bundles by request. The account has \(bundle.code.text.excerpt).")
            ]
        }
        if hasNoBase { return [noBasePlan(field)] }
        if let base = activeBase, isOnTrial(base) { return [onTrial(field, "cancel")] }
        // Plans in answers are not limited in number, so neither are these.
        let additional = plans.filter { $0.role == .additional && $0.status == .active }
        let named = additional.prefix(InputReader.violationsMax).map { plan in
            Violation(
                field: plan.member, message: "The additional plan \(plan.code.text.excerpt) must be cancelled first.")
        }
        let rest = additional.count - named.count
        return rest == 0
            ? named : named + [Violation(field: field, message: "\(rest) more plans must be cancelled first.")]
    }
}

extension AccountPlans.Plan {
    /// `nil` for a kind that this service does not know.
    var role: PlanKind.Known.Role? {
        guard case .known(let kind) = kind else { return nil }
        return kind.role
    }

    /// Whether the plan is cancelled or expired, so that it is not billed again.
    var hasEnded: Bool {
        switch status {
        case .cancelled, .expired: true
        case .active, .unknown: false
        }
    }
}

extension AccountPlans.Status {
    var text: String {
        switch self {
        case .active: "active"
        case .cancelled: "cancelled"
        case .expired: "expired"
        case .unknown(let text): text
        }
    }
}
