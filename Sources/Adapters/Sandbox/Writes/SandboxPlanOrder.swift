import NIOCore

/// Plans in the body of a write, and the response that lists them.
struct SandboxPlanOrder {
    let today: SandboxDate

    /// The members with texts that plans have besides their type.
    private static let texts = ["callout_countries", "premium_countries", "tollfree_countries"]

    /// The plans of a member of *Subscribe plans* besides the base plan and the bundle.
    func member(_ name: String, _ value: JSONValue) throws(SandboxRefusal) -> SandboxPlans.Member {
        switch name {
        case "plan_recording": return try recording(value)
        case "plan_audio":
            guard let audio = value.object else { throw .billing("Invalid Audio Conferencing Plan: ") }
            return try self.audio(SandboxWriteBody(audio))
        case SandboxPlans.phone:
            guard let phone = value.object else { throw .invalidParameter(name) }
            return try self.phone(phone)
        case let name:
            return SandboxPlans.Member(name: name, value: try plans(name, value))
        }
    }

    private func plans(_ name: String, _ value: JSONValue) throws(SandboxRefusal) -> SandboxPlans.Value {
        switch value {
        case .array(let values):
            var plans: [SandboxPlan] = []
            for value in values { plans.append(try plan(name, value.object)) }
            guard !plans.isEmpty else { throw .invalidParameter(name) }
            return .list(plans)
        case .object(let object) where object["type"] == nil && !SandboxCatalog.isKnown(member: name):
            var members: [SandboxPlans.Member] = []
            for member in object.members where member.value.object != nil || member.value.array != nil {
                members.append(SandboxPlans.Member(name: member.name, value: try plans(member.name, member.value)))
            }
            guard !members.isEmpty else { throw .invalidParameter(name) }
            return .group(members)
        case .object, .null, .bool, .number, .string: return .plan(try plan(name, value.object))
        }
    }

    private func plan(_ name: String, _ object: JSONObject?) throws(SandboxRefusal) -> SandboxPlan {
        let body = SandboxWriteBody(object ?? JSONObject(members: []))
        guard let code = body.text("type") else { throw .slot(300, "Account can’t buy this plan.") }
        let product = SandboxCatalog.additional(code)
        if SandboxCatalog.isKnown(member: name) {
            guard let product, product.member == name, product.isSold else {
                throw .slot(300, "Account can’t buy this plan.")
            }
            guard body["hosts"] != nil else { throw .billing("Invalid host number.") }
        }
        return SandboxPlan(
            code: code, hosts: try hosts(of: body), form: product?.form ?? .regular, since: today, term: .subscribed,
            details: details(of: body))
    }

    /// The number of hosts; `nil` if it is missing.
    private func hosts(of body: SandboxWriteBody) throws(SandboxRefusal) -> Int? {
        guard body["hosts"] != nil else { return nil }
        guard let hosts = body.integer("hosts") else { throw .billing("Invalid host number.") }
        guard hosts >= 1 else { throw .slot(300, "Buy hosts must equal or larger than 1.") }
        guard hosts <= SandboxCatalog.hostsMax else {
            throw .slot(300, "Buy hosts must equal or smaller than \(SandboxCatalog.hostsMax).")
        }
        return hosts
    }

    private func details(of body: SandboxWriteBody) -> [SandboxPlan.Detail] {
        Self.texts.compactMap { name in body[name]?.string.map { SandboxPlan.Detail(name, text: $0) } }
    }

    // MARK: Plans of other shapes

    private func recording(_ value: JSONValue) throws(SandboxRefusal) -> SandboxPlans.Member {
        guard let code = value.string, SandboxCatalog.additional(code)?.member == "plan_recording" else {
            throw .billing("Invalid Cloud Recording Plan: \(value.text ?? "")")
        }
        return recording(code)
    }

    func recording(_ code: String) -> SandboxPlans.Member {
        SandboxPlans.Member(
            name: "plan_recording",
            value: .recording(SandboxPlan(code: code, hosts: nil, since: today, term: .subscribed)))
    }

    func audio(_ body: SandboxWriteBody) throws(SandboxRefusal) -> SandboxPlans.Member {
        let code = body.text("type") ?? ""
        guard SandboxCatalog.additional(code)?.member == "plan_audio" else {
            throw .billing("Invalid Audio Conferencing Plan: \(code)")
        }
        guard Self.texts.contains(where: { body.text($0) != nil }) else {
            throw .billing("At least one option from among the Toll-free, Premium and Call-out must be provided.")
        }
        var details = details(of: body)
        if let numbers = body.integer("ddi_numbers") { details.append(.init("ddi_numbers", String(numbers))) }
        return SandboxPlans.Member(
            name: "plan_audio",
            value: .plan(
                SandboxPlan(code: code, hosts: nil, since: today, term: .subscribed, details: details)))
    }

    /// A subscription of Zoom Phone: `plan_base`, `plan_calling` and `plan_number`.
    func phone(_ object: JSONObject) throws(SandboxRefusal) -> SandboxPlans.Member {
        SandboxPlans.Member(name: SandboxPlans.phone, value: try plans(SandboxPlans.phone, .object(object)))
    }

    /// An additional plan of the catalog.
    func additional(_ code: String, hosts: Int, _ product: SandboxCatalog.Additional) -> SandboxPlans.Member {
        let plan = SandboxPlan(code: code, hosts: hosts, form: product.form, since: today, term: .subscribed)
        let value: SandboxPlans.Value =
            switch product.shape {
            case .object, .room, .audio: .plan(plan)
            case .list: .list([plan])
            case .recording: .recording(plan)
            case .phone(let member): .group([.init(name: member, value: .list([plan]))])
            }
        return SandboxPlans.Member(name: product.member, value: value)
    }

    // MARK: Response

    /// 201 with the subscribed plans.
    ///
    /// - Parameter account: Accounts with even numbers have Zoom's later members, such as `partner_sku`.
    static func response(to members: [SandboxPlans.Member], of account: Int) -> HTTPResponse {
        SandboxResponse.json(status: 201) { write(members, of: account, to: &$0) }
    }

    private static func write(_ members: [SandboxPlans.Member], of account: Int, to object: inout JSONMemberWriter) {
        for member in members {
            switch member.value {
            case .plan(let plan):
                object.member(named: member.name) { buffer in
                    buffer.writeJSONObject { write(plan, of: account, to: &$0) }
                }
            case .list(let plans):
                object.member(named: member.name) { buffer in
                    buffer.writeJSONArray(plans) { buffer, plan in
                        buffer.writeJSONObject { write(plan, of: account, to: &$0) }
                    }
                }
            case .group(let members):
                object.member(named: member.name) { buffer in
                    buffer.writeJSONObject { write(members, of: account, to: &$0) }
                }
            case .recording(let plan):
                object.member(named: member.name) { $0.writeJSONString(plan.code) }
                guard account.isMultiple(of: 2) else { continue }
                object.member("plan_cloud_recording") { buffer in
                    buffer.writeJSONObject { write(plan, of: account, to: &$0) }
                }
            case .text(let text): object.member(named: member.name) { $0.writeString(text) }
            }
        }
    }

    private static func write(_ plan: SandboxPlan, of account: Int, to object: inout JSONMemberWriter) {
        object.member("type", plan.code)
        if let hosts = plan.hosts { object.member("hosts", hosts) }
        for detail in plan.details { object.member(named: detail.name) { $0.writeString(detail.value) } }
        guard account.isMultiple(of: 2) else { return }
        object.member("partner_sku", "PAR-\(plan.code.uppercased())")
        object.member("discount_rate", 0)
        object.member("discount_percent", 0)
    }
}

extension SandboxCatalog.Additional {
    /// How the usage of a plan is written.
    var form: SandboxPlan.Form {
        switch shape {
        case .room: .room
        case .object, .list, .recording, .audio, .phone: .regular
        }
    }
}
