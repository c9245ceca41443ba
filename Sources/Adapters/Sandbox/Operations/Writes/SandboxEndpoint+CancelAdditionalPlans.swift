extension SandboxEndpoint {
    /// Cancels an additional plan at the end of its paid term (Zoom: Cancel additional plans).
    static let cancelAdditionalPlans = SandboxEndpoint(
        title: "Cancel additional plans", method: .patch, paths: ["/v2/accounts/{accountId}/plans/addons/status"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:update:cancel_additional_plans:master"], label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseUnknownUser()
                try account.refuseBulkLicenses()
                try account.refuseSelfPay()
                try account.refuseCancellationOfTrialOrVIP()
                guard !account.plans.isFree else {
                    throw .slot(200, "You cannot cancel plan for a sub account that is under a free plan.")
                }
                try body.checkCancellation(requiresAction: false)
                guard let code = body.text("type") else { throw .slot(300, "Plan type is required.") }
                try account.cancelAdditionalPlan(code)
                return HTTPResponse(status: 204)
            }))
}

extension SandboxAccountDraft {
    /// Cancels a plan, or for `plan_phone` all plans of Zoom Phone.
    fileprivate mutating func cancelAdditionalPlan(_ code: String) throws(SandboxRefusal) {
        if code == SandboxCatalog.bundle || code == plans.bundle?.code { throw Self.bundleCancellation }
        let isCancelled: (String, SandboxPlan) -> Bool = { member, plan in
            plan.isActive && (plan.code == code || member == SandboxPlans.phone && code == member)
        }
        let members = Set(
            plans.additional.filter { member in member.value.plans.contains { isCancelled(member.name, $0) } }.map(
                \.name))
        guard !members.isEmpty else {
            let isPhone = code == SandboxPlans.phone || SandboxCatalog.additional(code)?.member == SandboxPlans.phone
            if isPhone, plans[SandboxPlans.phone]?.plans.contains(where: \.isActive) != true {
                throw .slot(
                    200,
                    "You cannot perform this action because you do not have a Zoom Phone subscription for this account."
                )
            }
            // Zoom's text has two dots.
            throw .slot(200, "You don't have a plan subscription for (\(code)) yet..")
        }
        for member in members {
            let draft = self
            changePlans(in: [member]) { isCancelled(member, $0) ? draft.cancelled($0) : $0 }
        }
    }
}
