extension SandboxEndpoint {
    /// Subscribes a free account to a base plan or a bundle, and to additional plans (Zoom: Subscribe plans).
    static let subscribePlans = SandboxEndpoint(
        title: "Subscribe plans", method: .post, paths: ["/v2/accounts/{accountId}/plans"],
        // Zoom documents no label.
        access: .accessToken(anyOf: ["billing:master", "billing:write:subscribe_plan:master"], label: .heavy),
        behaviour: .write(
            SandboxChange { account, body throws(SandboxRefusal) in
                try account.refuseUnknownUser()
                try account.refuseBulkLicenses()
                try account.refuseSelfPay("Cannot add plan for a sub account which is paid by self.")
                guard account.mode != .addingPrevented else {
                    throw .billing(
                        "You cannot add a sub account because your master account owner prevented you from adding one.")
                }
                if account.mode == .freeTrial, body["plan_base"]?.object?["type"]?.string == "trial" {
                    throw .billing("Cannot enable free trial again for sub account.")
                }
                guard account.plans.isFree else {
                    throw .billing("Cannot add plan for Sub account which is not free plan.")
                }
                if let contact = body["contact"] { try account.setWholeContact(contact) }
                if let options = body["subscription_options"] {
                    guard let options = options.object else { throw .invalidParameter("subscription_options") }
                    try SandboxWriteBody(options).checkDates("paid_period_start_date", "service_effective_date")
                }
                let members = try account.orderedPlans(body)
                account.subscribe(members)
                return SandboxPlanOrder.response(to: members, of: account.number)
            }))
}

extension SandboxAccountDraft {
    /// In the order of Zoom's error message.
    private static let required = [
        "first_name", "last_name", "email", "country", "address", "city", "phone_number", "state", "zip",
    ]

    private static let optional = ["apt", "employee_count"]

    /// Sets all fields of the contact.
    fileprivate mutating func setWholeContact(_ value: JSONValue) throws(SandboxRefusal) {
        guard let object = value.object else { throw .invalidParameter("contact") }
        for name in Self.required {
            // Not every country has states.
            guard let text = object[name]?.string, !text.isEmpty || name == "state",
                name != "email" || Self.isEmail(text)
            else { throw .billing("Invalid parameter: \(name)") }
            contact[name] = text
        }
        for name in Self.optional {
            guard let value = object[name] else { continue }
            guard let text = value.string else { throw .billing("Invalid parameter: \(name)") }
            contact[name] = text
        }
        guard SandboxPlace.isCountry(country) else { throw .billing("Invalid country parameter: \(country)") }
        guard SandboxPlace.isState(state, in: country) else { throw .billing("Invalid state parameter: \(state)") }
    }

    /// The plans in the body of *Subscribe plans*.
    fileprivate func orderedPlans(_ body: SandboxWriteBody) throws(SandboxRefusal) -> [SandboxPlans.Member] {
        guard body["plan_bundle"] == nil else { throw .billing("Invalid field: plan_bundle") }
        let order = SandboxPlanOrder(today: today)
        var members: [SandboxPlans.Member] = []
        switch (body[SandboxPlans.base], body[SandboxPlans.bundle]) {
        case (_?, _?): throw .billing("Can’t subscribe to base plan and bundle plan at the same time.")
        case (let base, nil): members.append(try orderedBase(base))
        case (nil, let bundle?):
            guard let object = bundle.object, object["type"]?.string == SandboxCatalog.bundle else {
                throw .billing("Error getting bundle.")
            }
            guard let hosts = SandboxWriteBody(object).integer("hosts"), (1...SandboxCatalog.hostsMax).contains(hosts)
            else { throw .billing("Invalid host number.") }
            members.append(plan(SandboxPlans.bundle, SandboxCatalog.bundle, hosts))
        }
        let isBundle = body[SandboxPlans.bundle] != nil
        for member in body.object.members
        where member.name.hasPrefix("plan_") && member.name != SandboxPlans.base && member.name != SandboxPlans.bundle {
            let ordered = try order.member(member.name, member.value)
            if isBundle { try Self.refuseConflictWithBundle(ordered) }
            members.append(ordered)
        }
        return members
    }

    private func orderedBase(_ value: JSONValue?) throws(SandboxRefusal) -> SandboxPlans.Member {
        guard let object = value?.object, let code = SandboxWriteBody(object).text("type") else {
            throw .billing("Invalid Base Plan: \(id)")
        }
        guard let base = SandboxCatalog.base(code) else { throw .slot(300, "Account can’t buy this plan.") }
        if mode == .specialPricing, base.family == .rooms {
            throw .slot(
                200,
                "In order to take advantage of your account’s special pricing, please add Pro host licenses instead and "
                    + "they will be assigned to your Zoom Rooms automatically.")
        }
        guard let hosts = SandboxWriteBody(object).integer("hosts") else { throw .billing("Invalid host number.") }
        guard hosts <= SandboxCatalog.hostsMax else {
            throw .slot(300, "Buy hosts must equal or smaller than \(SandboxCatalog.hostsMax).")
        }
        guard hosts >= base.hosts.lowerBound else {
            throw .slot(300, "Buy hosts must equal or larger than \(base.hosts.lowerBound).")
        }
        guard hosts <= base.hosts.upperBound else {
            throw .slot(300, "Buy hosts must equal or smaller than \(base.hosts.upperBound).")
        }
        return plan(SandboxPlans.base, code, hosts)
    }

    private func plan(_ name: String, _ code: String, _ hosts: Int) -> SandboxPlans.Member {
        SandboxPlans.Member(
            name: name, value: .plan(SandboxPlan(code: code, hosts: hosts, since: today, term: .subscribed)))
    }

    /// A bundle includes rooms, room connectors, large meetings, webinars, recording and audio conferencing.
    private static func refuseConflictWithBundle(_ member: SandboxPlans.Member) throws(SandboxRefusal) {
        let code = member.value.plans.first?.code ?? ""
        let kinds = [
            "plan_zoom_rooms": "Zoom Room", "plan_room_connector": "Room Connector",
            "plan_large_meeting": "Large meeting",
            "plan_webinar": "Webinar",
        ]
        if let kind = kinds[member.name] {
            throw .billing(
                "There was a conflict in processing this request. \(kind) plan \(code) is already included in the bundle "
                    + "plan.")
        }
        if member.name == "plan_recording" { throw .billing("Recording plan \(code) conflict with bundle plan.") }
        if member.name == "plan_audio" { throw .billing("Audio conferencing plan \(code) conflict with bundle plan.") }
    }
}
