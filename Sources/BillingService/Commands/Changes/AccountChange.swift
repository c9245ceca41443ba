import Domain

/// A change of one account, as the user requested it.
struct AccountChange: Sendable {
    enum Kind: CaseIterable, Sendable {
        case updateBilling
        case updateBasePlan
        case updateAdditionalPlan
        case subscribePlans
        case subscribeAdditionalPlan
        case cancelBasePlan
        case cancelAdditionalPlan
    }

    let kind: Kind
    let account: AccountID

    /// The body of the request. The service checks it.
    let body: InputValue
}

extension AccountChange.Kind {
    var method: ServiceRequest.Method {
        switch self {
        case .updateBilling, .cancelBasePlan, .cancelAdditionalPlan: .patch
        case .updateBasePlan, .updateAdditionalPlan: .put
        case .subscribePlans, .subscribeAdditionalPlan: .post
        }
    }

    /// The segments of the path after the account.
    var path: [String] {
        switch self {
        case .updateBilling: ["billing"]
        case .updateBasePlan: ["plans", "base"]
        case .updateAdditionalPlan, .subscribeAdditionalPlan: ["plans", "addons"]
        case .subscribePlans: ["plans"]
        case .cancelBasePlan: ["plans", "base", "status"]
        case .cancelAdditionalPlan: ["plans", "addons", "status"]
        }
    }

    /// The status of the response to a change that was made.
    var statusOfSuccess: Int { method == .post ? 201 : 204 }

    /// The command that shows the effect of the change.
    var lookup: String {
        switch self {
        case .updateBilling: "get"
        case .updateBasePlan, .updateAdditionalPlan, .subscribePlans, .subscribeAdditionalPlan, .cancelBasePlan,
            .cancelAdditionalPlan:
            "plans"
        }
    }

    /// Whether a plan ends.
    var isCancellation: Bool {
        switch self {
        case .cancelBasePlan, .cancelAdditionalPlan: true
        case .updateBilling, .updateBasePlan, .updateAdditionalPlan, .subscribePlans, .subscribeAdditionalPlan: false
        }
    }

    /// What the change costs; nil if it costs nothing.
    var costs: String? {
        switch self {
        case .updateBilling: nil
        case .subscribePlans, .subscribeAdditionalPlan: "This spends money: Zoom charges for the plans."
        case .updateBasePlan, .updateAdditionalPlan: "This spends money: Zoom charges for the changed plan."
        case .cancelBasePlan, .cancelAdditionalPlan:
            "Zoom refunds nothing. The plan ends with its paid term, and must be bought again to get it back."
        }
    }
}
