extension SandboxEndpoint {
    /// Changes the hosts or the code of the base plan (Zoom: Update a base plan).
    static let updateBasePlan = SandboxEndpoint(
        title: "Update a base plan", method: .put, paths: ["/v2/accounts/{accountId}/plans/base"],
        access: .accessToken(anyOf: ["billing:master", "billing:update:plan:master"], label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseUnknownUser()
                try account.refuseBulkLicenses()
                try account.refuseSelfPay()
                guard !account.isTrialOrVIP else {
                    throw .slot(200, "Free trial and VIP account can't update sub plan.")
                }
                guard account.plans.bundle == nil else {
                    throw .billing("Cannot makes updates when account is subscribed to a bundle plan.")
                }
                guard let old = account.plans.base, old.isActive else {
                    throw .slot(200, "You do not have a subscription yet.")
                }
                let (code, hosts) = try body.plan(missingType: .slot(300, "Missing field: type."))
                try account.updateBasePlan(old, to: code, hosts: hosts)
                return HTTPResponse(status: 204)
            }))
}

extension SandboxAccountDraft {
    fileprivate mutating func updateBasePlan(
        _ old: SandboxPlan, to code: String, hosts: Int
    ) throws(SandboxRefusal) {
        let mismatch = SandboxRefusal.slot(
            300, "Plan types do not match, oldPlanType: \(old.code) newPlanType: \(code).")
        guard let base = SandboxCatalog.base(code) else { throw mismatch }
        switch base.family {
        case .trial: throw .billing("This account is not under a free trial plan.")
        case .rooms: guard SandboxCatalog.base(old.code)?.family == .rooms else { throw mismatch }
        case .pro, .business, .education: guard SandboxCatalog.base(old.code)?.family != .rooms else { throw mismatch }
        }
        guard hosts >= base.hosts.lowerBound else {
            switch base.family {
            case .business: throw .slot(300, "Insufficient number of hosts for business plan type.")
            case .education: throw .slot(300, "Insufficient number of hosts for education plan type.")
            case .pro, .trial, .rooms: throw .invalidParameter("hosts")
            }
        }
        guard hosts <= base.hosts.upperBound else { throw .invalidParameter("hosts") }
        // An account can use more hosts than it has, but it cannot give up hosts that it uses.
        guard hosts >= min(old.usage, old.hosts ?? 0) else {
            throw .billing(
                "The account currently has \(old.usage) paid users, you should change the user type to basic and reduce "
                    + "the number of paid users before performing this action.")
        }
        changePlans(in: [SandboxPlans.base]) { plan in
            var plan = plan
            plan.code = code
            plan.hosts = hosts
            return plan
        }
    }
}
