/// An account while a write changes it. If the write is refused, the changes are discarded.
struct SandboxAccountDraft {
    let id: String
    let number: Int
    let kind: SandboxAccountKind?
    let mode: SandboxAccountMode
    let today: SandboxDate
    let nextInvoice: SandboxDate

    /// The contact before the first write.
    private let generated: SandboxAccounts.Contact

    /// The fields of the billing contact that writes set, by Zoom's names.
    var contact: [String: String]
    private(set) var plans: SandboxPlans

    /// Whether the write changed the plans.
    private(set) var hasChangedPlans = false

    /// The charges for the plans that the write subscribed.
    private(set) var subscribed: [SandboxCharges.Charge] = []

    init(
        id: String, number: Int, kind: SandboxAccountKind?, record: SandboxAccountRecord, plans: SandboxPlans,
        contact: SandboxAccounts.Contact, today: SandboxDate, nextInvoice: SandboxDate
    ) {
        self.id = id
        self.number = number
        self.kind = kind
        mode = record.mode
        self.contact = record.contact
        generated = contact
        self.plans = plans
        self.today = today
        self.nextInvoice = nextInvoice
    }

    var country: String { contact["country"] ?? generated.country }
    var state: String { contact["state"] ?? generated.state }

    // MARK: Changes of plans

    /// Changes the plans of some members, or of all.
    mutating func changePlans(in names: Set<String>? = nil, _ change: (SandboxPlan) -> SandboxPlan) {
        plans.change(in: names, change)
        hasChangedPlans = true
    }

    mutating func subscribe(_ members: [SandboxPlans.Member]) {
        for member in members {
            plans.add(member)
            subscribed += member.value.plans.compactMap { SandboxPlans.charge(for: $0, of: member.name) }
        }
        hasChangedPlans = true
    }

    /// The plan as cancelled until the end of the paid term.
    func cancelled(_ plan: SandboxPlan) -> SandboxPlan {
        var plan = plan
        plan.term = .ending(nextInvoice)
        return plan
    }

    // MARK: Checks of several operations

    func refuseUnknownUser() throws(SandboxRefusal) {
        if mode == .unknownUser { throw .status(404, code: 1001, "User does not exist.") }
    }

    func refuseBulkLicenses() throws(SandboxRefusal) {
        guard mode == .bulkLicenses else { return }
        throw .billing(
            "Master accounts with bulk licenses cannot provision, update, or cancel plans for sub accounts using APIs, "
                + "please use the billing portal or contact Support.")
    }

    func refuseSelfPay(_ message: String = "This sub account is on self pay mode.") throws(SandboxRefusal) {
        if kind == .selfPay { throw .billing(message) }
    }

    /// Whether the account is in a free trial or a VIP account.
    var isTrialOrVIP: Bool { mode == .freeTrial || mode == .vip }

    func refuseCancellationOfTrialOrVIP() throws(SandboxRefusal) {
        guard isTrialOrVIP else { return }
        throw .slot(
            200,
            "Free trial and VIP accounts can not cancel plans of a sub account. Contact the Zoom Support team for details."
        )
    }

    static let bundleCancellation = SandboxRefusal.billing(
        "You cannot make cancellation requests for a bundle plan. Contact the Zoom Support team for details.")
}
