extension SandboxEndpoint {
    /// Changes the hosts or the code of an additional plan (Zoom: Update an additional plan).
    static let updateAdditionalPlan = SandboxEndpoint(
        title: "Update an additional plan", method: .put, paths: ["/v2/accounts/{accountId}/plans/addons"],
        access: .accessToken(anyOf: ["billing:master", "billing:update:additional_plans:master"], label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseBulkLicenses()
                try account.refuseSelfPay()
                guard !account.isTrialOrVIP else {
                    throw .slot(200, "Free trial and VIP accounts can't update sub plans.")
                }
                switch account.mode {
                case .unknownSubscription:
                    throw .status(404, code: 3200, "Cannot find Zuora subscription for account:\(account.id).")
                case .changeFails: throw .changeFailed("Failed to change sub plan of account:\(account.id).")
                case .regular, .bulkLicenses, .freeTrial, .vip, .unknownUser, .addingPrevented, .specialPricing: break
                }
                if account.plans.base?.isActive == false {
                    throw .changeFailed("Must subscribe to a major plan first.")
                }
                try account.refuseAdditionalPlanOfFreeAccount()
                try body.checkDates("paid_period_start_date", "service_effective_date")
                let (code, hosts) = try body.plan(missingType: .billing("Invalid plan type."))
                try account.updateAdditionalPlan(code, hosts: hosts)
                return HTTPResponse(status: 204)
            }))
}

extension SandboxAccountDraft {
    /// Changes the plan with the code or, without it, the first active plan of its kind.
    fileprivate mutating func updateAdditionalPlan(_ code: String, hosts: Int) throws(SandboxRefusal) {
        guard !code.hasPrefix("webinar100_"), code != "webinar100" else {
            throw .changeFailed(
                "The \"Webinar100\" plan is not supported. You cannot increase hosts for the \"\(code)\" plan.")
        }
        let active = plans.additional.flatMap { member in
            member.value.plans.filter(\.isActive).map { (member: member.name, plan: $0) }
        }
        if let owned = active.first(where: { $0.plan.code == code }) {
            replacePlan(owned.plan.code, in: owned.member, with: code, hosts: hosts)
            return
        }
        guard let product = SandboxCatalog.additional(code) else {
            throw .billing("Invalid Additional Plan Type: \(code).")
        }
        guard product.isSold else { throw .billing("Account can’t buy this product.") }
        if code == SandboxCatalog.audioPayAsYouGo {
            switch plans.base.flatMap({ SandboxCatalog.base($0.code) })?.family {
            case .business, .education: break
            case .pro, .trial, .rooms, nil:
                throw .billing(
                    "Can not subscribe/update additional Audio Conferencing Pay As You Go Plan for a sub account whose "
                        + "base plan is not Business/Education plan.")
            }
        }
        let group: String? = if case .phone(let group) = product.shape { group } else { nil }
        guard let old = active.first(where: { $0.member == product.member && isInGroup($0.plan.code, group) }) else {
            throw .slot(200, "You don’t have subscription for (\(code)) yet.")
        }
        guard !SandboxCatalog.haveDifferentTerms(old.plan.code, code) else {
            throw .slot(
                300, "Plan types do not match, oldPlanType: \(old.plan.code) newPlanType: \(code).")
        }
        replacePlan(old.plan.code, in: old.member, with: code, hosts: hosts)
    }

    /// Whether a plan of Zoom Phone is in a member of `plan_phone`; `true` for other plans.
    private func isInGroup(_ code: String, _ group: String?) -> Bool {
        guard let group else { return true }
        guard case .phone(let other) = SandboxCatalog.additional(code)?.shape else { return false }
        return group == other
    }

    private mutating func replacePlan(_ old: String, in member: String, with code: String, hosts: Int) {
        var isDone = false
        changePlans(in: [member]) { plan in
            guard !isDone, plan.code == old, plan.isActive else { return plan }
            isDone = true
            var plan = plan
            plan.code = code
            if plan.hosts != nil { plan.hosts = hosts }
            return plan
        }
    }
}
