/// The charges of an account since a write first changed its plans.
struct SandboxCharges: Sendable {
    struct Charge: Sendable {
        let name: String
        let quantity: Int

        /// For each of the quantity and each month, in hundredths.
        let price: Int

        /// The first day without this charge; `nil` if the plan is not cancelled.
        let end: SandboxDate?
    }

    /// The plans that one write subscribed. They have their own invoice of that day.
    struct Subscription: Sendable {
        let date: SandboxDate
        let charges: [Charge]
    }

    private struct Change: Sendable {
        let date: SandboxDate
        let charges: [Charge]
    }

    private static let subscriptionsMax = 10_000

    /// The invoices after this day follow the changed plans.
    let begin: SandboxDate

    /// The charges after each day with a change, in ascending order.
    private var changes: [Change] = []

    /// At most 10,000; later subscriptions have no invoice of their own.
    private(set) var subscriptions: [Subscription] = []

    init(begin: SandboxDate) {
        self.begin = begin
    }

    /// Sets the charges after a day.
    mutating func set(_ charges: [Charge], after day: SandboxDate) {
        changes.removeAll { $0.date >= day }
        changes.append(Change(date: day, charges: charges))
    }

    mutating func subscribe(_ charges: [Charge], on day: SandboxDate) {
        guard subscriptions.count < Self.subscriptionsMax, !charges.isEmpty else { return }
        subscriptions.append(Subscription(date: day, charges: charges))
    }

    /// The charges on the monthly invoice of a day.
    func monthly(on day: SandboxDate) -> [Charge] {
        guard let change = changes.last(where: { $0.date < day }) else { return [] }
        return change.charges.filter { charge in charge.end.map { day < $0 } ?? true }
    }
}

extension SandboxPlans {
    /// What the account is charged for its plans.
    var charges: [SandboxCharges.Charge] {
        members.flatMap { member in
            member.value.plans.compactMap { plan in Self.charge(for: plan, of: member.name) }
        }
    }

    /// `nil` for a plan that was already inactive before the first write.
    static func charge(for plan: SandboxPlan, of member: String) -> SandboxCharges.Charge? {
        let end: SandboxDate? =
            switch plan.term {
            case .ending(let end): end
            case .generated, .subscribed: nil
            }
        guard plan.isActive || end != nil || member == bundle else { return nil }
        return SandboxCharges.Charge(
            name: plan.code, quantity: plan.hosts ?? 1, price: SandboxCatalog.price(plan.code, isBase: member == base),
            end: end)
    }
}
