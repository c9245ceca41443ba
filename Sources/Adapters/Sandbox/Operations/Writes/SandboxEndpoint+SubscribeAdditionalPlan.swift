extension SandboxEndpoint {
    /// Adds a plan to an account with a base plan (Zoom: Subscribe additional plan).
    static let subscribeAdditionalPlan = SandboxEndpoint(
        title: "Subscribe additional plan", method: .post, paths: ["/v2/accounts/{accountId}/plans/addons"],
        access: .accessToken(
            anyOf: ["billing:master", "billing:write:subscribe_additional_plans:master"], label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseUnknownUser()
                try account.refuseBulkLicenses()
                try account.refuseSelfPay()
                try account.refuseAdditionalPlanOfFreeAccount()
                try body.checkDates("paid_period_start_date", "service_effective_date")
                let member = try account.orderedPlan(body)
                account.subscribe([member])
                // The reference also shows an empty object.
                return SandboxPlanOrder.response(
                    to: account.number % 3 == 2 ? [] : [member], of: account.number)
            }))
}

extension SandboxAccountDraft {
    /// An account whose base plan is cancelled cannot add plans either.
    func refuseAdditionalPlanOfFreeAccount() throws(SandboxRefusal) {
        guard plans.bundle == nil, plans.base?.isActive != true else { return }
        throw .billing("Cannot update Additional plan for a sub account under free plan.")
    }

    /// The plan in the body of *Subscribe additional plan*, in one of three forms.
    fileprivate func orderedPlan(_ body: SandboxWriteBody) throws(SandboxRefusal) -> SandboxPlans.Member {
        guard let code = body.text("type") else { throw .slot(300, "Missing field: type.") }
        let order = SandboxPlanOrder(today: today)
        if code == SandboxPlans.phone {
            guard let details = body["plan_details"]?.object else {
                throw .slot(300, "Missing field: plan_details.")
            }
            try refuseSubscribed(code, in: plans[SandboxPlans.phone]?.plans ?? [])
            return try order.phone(details)
        }
        guard let product = SandboxCatalog.additional(code), product.isSold else { throw .invalidParameter("type") }
        let existing = plans[product.member]?.plans ?? []
        switch product.shape {
        case .audio:
            try refuseSubscribed(code, in: existing)
            return try order.audio(body)
        case .recording:
            try refuseSubscribed(code, in: existing)
            return order.recording(code)
        case .object, .room, .list, .phone:
            let hosts = try body.plan(missingType: .slot(300, "Missing field: type.")).hosts
            if product.member == "plan_zoom_rooms",
                plans.base.flatMap({ SandboxCatalog.base($0.code) })?.family == .rooms
            {
                throw .billing(
                    "Additional Zoom Rooms plan cannot be added to a sub account that already has a Zoom Rooms base plan."
                )
            }
            try refuseSubscribed(code, in: existing.filter { $0.code == code })
            return order.additional(code, hosts: hosts, product)
        }
    }

    private func refuseSubscribed(_ code: String, in existing: [SandboxPlan]) throws(SandboxRefusal) {
        guard existing.contains(where: \.isActive) else { return }
        throw .billing("This sub account already has the additional plan: \(code).")
    }
}
