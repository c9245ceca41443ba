import Domain
import Testing

@Suite("Plan rules")
struct PlanRulesTests {
    private static let base: InputValue = ["type": "business_monthly", "hosts": 10]
    private static let subscription: InputValue = ["plan_base": base]

    private static func subscribing(_ member: String, _ value: InputValue) -> InputValue {
        subscription.with(member, value)
    }

    // MARK: Accepted bodies

    struct Accepted: CustomTestStringConvertible, Sendable {
        let operation: Operation
        let body: InputValue
        var testDescription: String { "\(operation) \(body)" }

        init(_ operation: Operation, _ body: InputValue) {
            self.operation = operation
            self.body = body
        }
    }

    /// Bodies without a broken rule, of every form that Zoom documents.
    static let documented: [Accepted] = [
        .init(.subscribePlans, subscription),
        .init(
            .subscribePlans,
            [
                "contact": ContactRulesTests.contact,
                "plan_base": ["type": "yearly", "hosts": 9, "increasing_hosts": 0],
                "plan_webinar": [
                    ["type": "webinar500_monthly", "hosts": 2], ["type": "webinar1000_monthly", "hosts": 1],
                ],
                "plan_large_meeting": [["type": "large500_yearly", "hosts": 3]],
                "plan_zoom_rooms": ["type": "zroom_monthly", "hosts": 1],
                "plan_room_connector": [["type": "roomconnector_yearly", "hosts": 1]],
                "plan_recording": "cmr_monthly_commitment_40",
                "plan_audio": [
                    "type": "tollfree_payongo", "tollfree_countries": "US,CA", "premium_countries": "",
                    "callout_countries": "DE", "ddi_numbers": 2,
                ],
                "plan_phone": [
                    "plan_base": ["type": "zp_payg", "callout_countries": "US"],
                    "plan_calling": [["type": "zobp_usca_monthly_unlimited", "hosts": 4]],
                    "plan_number": [["type": "zp_number_monthly", "hosts": 4]],
                    "plan_calling_addons": [["type": "zp_power_pack", "hosts": 1]],
                ],
                "plan_zcc": [
                    "plan_package": ["type": "zcc_elite_monthly", "callout_countries": "US,DE"],
                    "plan_usage": [["type": "zcc_voice_monthly", "hosts": 3]],
                    "plan_package_list": [["type": "zcc_essentials_monthly", "hosts": 1]],
                ],
                "plan_whiteboard": ["type": "zwb_monthly", "hosts": 5],
                "plan_zva": ["type": "zva_monthly", "hosts": 1],
                "plan_hologram_rooms": ["type": "zholo_quarterly", "hosts": 2],
                "plan_tiers": [["type": "gold", "hosts": 1]],
                "plan_note": "some_code",
                "subscription_options": [
                    "paid_period_start_date": "2026-03-01", "service_effective_date": "2024-02-29",
                ],
            ]),
        .init(.subscribePlans, ["plan_united": ["type": "pro_zpp_monthly", "hosts": 20]]),
        .init(.subscribePlans, ["plan_base": ["type": "zroom_monthly", "hosts": 100]]),
        .init(.subscribePlans, ["plan_base": ["type": "trial", "hosts": 9999]]),
        .init(.subscribePlans, ["plan_base": ["type": "edu20", "hosts": 149]]),
        .init(.subscribeAdditionalPlan, ["type": "webinar500_monthly", "hosts": 2]),
        .init(.subscribeAdditionalPlan, ["type": "zroom_monthly", "hosts": 2, "increasing_hosts": 1]),
        .init(.subscribeAdditionalPlan, ["type": "cmr_monthly_commitment_100"]),
        .init(
            .subscribeAdditionalPlan,
            [
                "type": "large100_monthly", "hosts": 1, "paid_period_start_date": "2026-01-01",
                "service_effective_date": "2026-01-01",
            ]),
        .init(
            .subscribeAdditionalPlan,
            [
                "type": "plan_phone",
                "plan_details": [
                    "plan_base": ["type": "zp_payg", "callout_countries": "US"],
                    "plan_calling": [["type": "zobp_usca_monthly_unlimited", "hosts": 4]],
                    "plan_number": [["type": "zp_number_monthly", "hosts": 4]],
                ],
            ]),
        .init(.subscribeAdditionalPlan, ["type": "tollfree_monthly_commitment_100", "callout_countries": "US"]),
        .init(.updateAdditionalPlan, ["type": "webinar500_yearly", "hosts": 9999]),
        .init(.updateAdditionalPlan, ["hosts": 3, "type": "zroom_yearly", "service_effective_date": "2026-12-31"]),
        .init(.cancelAdditionalPlans, ["action": "cancel", "type": "webinar500_monthly"]),
        .init(
            .cancelAdditionalPlans,
            ["action": "cancel", "type": "zroom_monthly", "reason": 6, "comment": "Not now; later."]),
        .init(.updateBasePlan, ["type": "business_yearly", "hosts": 49]),
        .init(.updateBasePlan, ["type": "plan_pro_three_years", "hosts": 1]),
        .init(.cancelBasePlan, ["action": "cancel"]),
        .init(.cancelBasePlan, ["action": "cancel", "reason": 1, "comment": ""]),
    ]

    @Test("A body as in Zoom's documentation is accepted, and sent unchanged", arguments: documented)
    func acceptsDocumented(row: Accepted) throws {
        let write = try AccountWrite.make(row.operation, of: account, from: row.body, rules: WriteRules())
        #expect(write.body == row.body)
        #expect(write.operation == row.operation)
        #expect(write.account == account)
    }

    // MARK: Broken rules

    private static let strict = "With the setting zoom.strict-plans=false Zoom decides about it."

    private static let brokenSubscriptions: [BrokenRule] = [
        .init(.subscribePlans, [:], "plan_base", "Must be given."),
        .init(.subscribePlans, nil, "body", "Must be an object. Given: null."),
        .init(.subscribePlans, ["plan_base": []], "plan_base", "Must be an object. Given: an empty list."),
        .init(.subscribePlans, ["plan_base": ["type": "monthly"]], "plan_base.hosts", "Must be given."),
        .init(.subscribePlans, ["plan_base": ["hosts": 3]], "plan_base.type", "Must be given."),
        .init(
            .subscribePlans, subscribing("plan_united", ["type": "pro_zpp_monthly", "hosts": 1]), "plan_united",
            "Must not be given together with plan_base."),
        .init(
            .subscribePlans, subscribing("plan_bundle", ["type": "pro_zpp_monthly", "hosts": 1]), "plan_bundle",
            "Zoom does not accept bundles here."),
        .init(
            .subscribePlans, subscribing("plan_cloud_recording", ["type": "cmr_monthly_commitment_40"]),
            "plan_cloud_recording", "Use plan_recording with the code of the plan."),
        .init(
            .subscribePlans, subscribing("plan_recording", ["type": "cmr_monthly_commitment_40"]), "plan_recording",
            "Must be a plan code"),
        .init(
            .subscribePlans, subscribing("plan_recording_status", "Active"), "plan_recording_status",
            "Zoom reports this field. It cannot be given."),
        .init(
            .subscribePlans, subscribing("plan_webinar", ["type": "webinar500_monthly", "hosts": 1]), "plan_webinar",
            "Must be a list of plans. Given: an object."),
        .init(
            .subscribePlans, subscribing("plan_webinar", []), "plan_webinar",
            "Must have 1 to 20 elements. Given: an empty list."),
        .init(
            .subscribePlans, subscribing("plan_webinar", .list(Array(repeating: nil, count: 21))), "plan_webinar",
            "Must have 1 to 20 elements. Given: a list of 21."),
        .init(
            .subscribePlans, subscribing("plan_webinar", [["type": "large500_monthly", "hosts": 1]]),
            "plan_webinar[0].type",
            "Must not be a code of plan_large_meeting. Given: \"large500_monthly\"."),
        .init(
            .subscribePlans, subscribing("plan_webinar", [["type": "webinar501_monthly", "hosts": 1]]),
            "plan_webinar[0].type", "Unknown plan code. \(strict) Given: \"webinar501_monthly\"."),
        .init(
            .subscribePlans, subscribing("plan_webinar", [["type": "webinar500", "hosts": 1]]), "plan_webinar[0].type",
            "Unknown plan code. \(strict)"),
        .init(
            .subscribePlans,
            subscribing(
                "plan_webinar",
                [["type": "webinar500_monthly", "hosts": 1], ["type": "webinar500_monthly", "hosts": 2]]),
            "plan_webinar[1].type", "Each code must be given only once. Given: \"webinar500_monthly\"."),
        .init(
            .subscribePlans, subscribing("plan_zoom_rooms", "zroom_monthly"), "plan_zoom_rooms",
            "Must be a plan or a list of plans. Given: \"zroom_monthly\"."),
        .init(
            .subscribePlans,
            [
                "plan_base": ["type": "zroom_monthly", "hosts": 1],
                "plan_zoom_rooms": ["type": "zroom_monthly", "hosts": 1],
            ],
            "plan_zoom_rooms", "Must not be given if the base plan is one for Zoom Rooms."),
        .init(
            .subscribePlans, subscribing("plan_whiteboard", ["type": "zwb_monthly", "hosts": 1, "status": "active"]),
            "plan_whiteboard.status", "Unknown field."),
        .init(
            .subscribePlans, subscribing("plan_webniar", [["type": "webinar500_monthly", "hosts": 1]]), "plan_webniar",
            "Unknown kind of plan. Did you mean \"plan_webinar\"?"),
        .init(
            .subscribePlans, subscribing("Plan_webinar", []), "Plan_webinar",
            "Unknown field. Did you mean \"plan_webinar\"?"),
        .init(.subscribePlans, subscribing("plan_", "x"), "plan_", "Unknown field."),
        .init(.subscribePlans, subscribing("contcat", [:]), "contcat", "Unknown field. Did you mean \"contact\"?"),
        .init(
            .subscribePlans, subscribing("plan_hologram", 3), "plan_hologram",
            "Must be a plan or a list of plans. Given: 3."),
        .init(
            .subscribePlans, subscribing("plan_hologram", ["type": "x", "resolution": "8K"]),
            "plan_hologram.resolution",
            "Unknown field."),
        .init(.subscribePlans, subscribing("plan_hologram", "a code"), "plan_hologram", "Must be a plan code"),
        .init(
            .subscribePlans, subscribing("plan_audio", ["type": "tollfree_payongo"]), "plan_audio.tollfree_countries",
            "At least one of tollfree_countries, premium_countries, callout_countries must be given."),
        .init(
            .subscribePlans, subscribing("plan_audio", ["type": "tollfree_payongo", "tollfree_countries": ""]),
            "plan_audio.tollfree_countries", "At least one of"),
        .init(
            .subscribePlans, subscribing("plan_audio", ["type": "tollfree_payongo", "tollfree_countries": "US,USA"]),
            "plan_audio.tollfree_countries", "Must be country ids in capital letters with commas between them"),
        .init(
            .subscribePlans, subscribing("plan_audio", ["type": "webinar500_monthly", "tollfree_countries": "US"]),
            "plan_audio.type", "Must not be a code of plan_webinar."),
        .init(.subscribePlans, subscribing("plan_phone", [:]), "plan_phone", "Must have at least one plan."),
        .init(
            .subscribePlans, subscribing("plan_phone", ["plan_calling": ["type": "x", "hosts": 1]]),
            "plan_phone.plan_calling",
            "Must be a list of plans. Given: an object."),
        .init(
            .subscribePlans, subscribing("plan_phone", ["plan_calling": [["type": "x"]]]),
            "plan_phone.plan_calling[0].hosts",
            "Must be given."),
        .init(
            .subscribePlans, subscribing("plan_phone", ["plan_caling": []]), "plan_phone.plan_caling",
            "Unknown field. Did you mean \"plan_calling\"?"),
        .init(
            .subscribePlans, subscribing("plan_phone", ["plan_base": ["type": "zwb_monthly"]]),
            "plan_phone.plan_base.type",
            "Must not be a code of plan_whiteboard."),
        .init(.subscribePlans, subscribing("plan_zcc", ["package": [:]]), "plan_zcc.package", "Unknown field."),
        .init(
            .subscribePlans, subscribing("subscription_options", ["service_effective_date": "2026-02-29"]),
            "subscription_options.service_effective_date",
            "Must be a date of the calendar as yyyy-mm-dd. Given: \"2026-02-29\"."),
        .init(
            .subscribePlans, subscribing("subscription_options", ["trial_end": "2026-02-28"]),
            "subscription_options.trial_end", "Unknown field."),
        .init(.subscribePlans, subscribing("subscription_options", []), "subscription_options", "Must be an object."),
    ]

    private static let brokenChanges: [BrokenRule] = [
        .init(
            .updateBasePlan, ["type": "webinar500_monthly", "hosts": 1], "type", "Must not be a code of plan_webinar."),
        .init(.updateBasePlan, ["type": "pro_zpp_monthly", "hosts": 1], "type", "Must not be a code of plan_united."),
        .init(.updateBasePlan, ["type": "enterprise", "hosts": 1], "type", "Unknown plan code. \(strict)"),
        .init(.updateBasePlan, ["type": "", "hosts": 1], "type", "Must be a plan code"),
        .init(.updateBasePlan, ["type": "month ly", "hosts": 1], "type", "Must be a plan code"),
        .init(.updateBasePlan, ["type": 1, "hosts": 1], "type", "Must be a plan code"),
        .init(.updateBasePlan, ["type": "monthly", "hosts": 1, "reason": 1], "reason", "Unknown field."),
        .init(
            .updateBasePlan, ["type": "monthly", "host": 1, "hosts": 1], "host",
            "Unknown field. Did you mean \"hosts\"?"),
        .init(.updateAdditionalPlan, ["type": "monthly", "hosts": 1], "type", "Must not be a code of plan_base."),
        .init(.updateAdditionalPlan, ["type": "trial", "hosts": 1], "type", "Must not be a code of plan_base."),
        .init(
            .updateAdditionalPlan, ["type": "pro_zpp_monthly", "hosts": 1], "type", "Must not be a code of plan_united."
        ),
        .init(.updateAdditionalPlan, ["type": "zva_monthly", "hosts": 1], "type", "Unknown plan code. \(strict)"),
        .init(.updateAdditionalPlan, ["type": "webinar500_monthly"], "hosts", "Must be given."),
        .init(
            .updateAdditionalPlan, ["type": "webinar500_monthly", "hosts": 1, "paid_period_start_date": "01.02.2026"],
            "paid_period_start_date", "Must be a date of the calendar as yyyy-mm-dd. Given: \"01.02.2026\"."),
        .init(
            .updateAdditionalPlan, ["type": "webinar500_monthly", "hosts": 1, "service_effective_date": 20_260_101],
            "service_effective_date", "Must be a date of the calendar as yyyy-mm-dd. Given: 20260101."),
        .init(.subscribeAdditionalPlan, ["type": "yearly", "hosts": 1], "type", "Must not be a code of plan_base."),
        .init(.subscribeAdditionalPlan, ["type": "plan_phone"], "plan_details", "Must be given."),
        .init(
            .subscribeAdditionalPlan, ["plan_details": ["plan_number": [["type": "x", "hosts": 1]]]], "type",
            "Must be given."),
        .init(
            .subscribeAdditionalPlan,
            ["type": "plan_zcc", "plan_details": ["plan_number": [["type": "x", "hosts": 1]]]],
            "type", "Must be plan_phone if plan_details is given."),
        .init(
            .subscribeAdditionalPlan,
            ["type": "plan_phone", "hosts": 1, "plan_details": ["plan_number": [["type": "x", "hosts": 1]]]], "hosts",
            "Unknown field."),
        .init(
            .subscribeAdditionalPlan, ["type": "tollfree_payongo", "ddi_numbers": 1], "tollfree_countries",
            "At least one of"),
        .init(.cancelAdditionalPlans, ["action": "cancel"], "type", "Must be given."),
        .init(.cancelAdditionalPlans, ["type": "monthly"], "type", "Must not be a code of plan_base."),
        .init(.cancelAdditionalPlans, ["type": "zwb_monthly", "hosts": 1], "hosts", "Unknown field."),
        .init(.cancelBasePlan, ["action": "pause"], "action", "Must be \"cancel\". Given: \"pause\"."),
        .init(.cancelBasePlan, ["action": nil], "action", "Must be \"cancel\". Given: null."),
        .init(.cancelBasePlan, ["action": "cancel", "type": "monthly"], "type", "Unknown field."),
        .init(.cancelBasePlan, ["reason": 0], "reason", "Must be a whole number from 1 to 6"),
        .init(.cancelBasePlan, ["reason": 7], "reason", "Must be a whole number from 1 to 6"),
        .init(
            .cancelBasePlan, ["reason": "1"], "reason", "Must be a whole number from 1 to 6, not a text. Given: \"1\"."),
        .init(.cancelBasePlan, ["comment": "a\nb"], "comment", "Must be one line."),
        .init(
            .cancelBasePlan, ["comment": .text(String(repeating: "x", count: 256))], "comment",
            "Must have at most 255 characters."),
        .init(.cancelBasePlan, ["comment": 1], "comment", "Must be a text."),
        .init(.cancelBasePlan, [], "body", "Must be an object."),
    ]

    @Test("A subscription names the broken rule and the value", arguments: brokenSubscriptions)
    func brokenSubscription(row: BrokenRule) { check(row) }

    @Test("A change of a plan names the broken rule and the value", arguments: brokenChanges)
    func brokenChange(row: BrokenRule) { check(row) }

    private func check(_ row: BrokenRule) {
        let violations = violations(row.operation, row.body)
        #expect(violations.map(\.field) == [row.field], "\(violations.map(\.message))")
        #expect(violations.first?.message.hasPrefix(row.message) == true, "\(violations.map(\.message))")
    }

    @Test(
        "Hosts are a whole number from 1 to 9999",
        arguments: [
            "0", "-1", "10000", "1.5", "1e400", "99999999999999999999999999", "1e4", "0.9999999999999999999999",
        ])
    func hosts(digits: String) {
        let violations = violations(.updateAdditionalPlan, ["type": "webinar500_monthly", "hosts": .number(digits)])
        #expect(
            violations == [
                .init(field: "hosts", message: "Must be a whole number from 1 to 9999, not a text. Given: \(digits).")
            ])
    }

    @Test(
        "A base plan has hosts within Zoom's range",
        arguments: [
            ("monthly", 1, 9), ("plan_pro_two_years", 1, 9), ("business_yearly", 10, 49), ("edu20", 20, 149),
            ("trial", 1, 9999),
            ("zroom_monthly", 1, 9999),
        ])
    func baseHosts(code: String, least: Int, most: Int) {
        for hosts in [least, most] {
            #expect(violations(.updateBasePlan, ["type": .text(code), "hosts": .number("\(hosts)")]) == [])
        }
        for hosts in [least - 1, most + 1] {
            let body: InputValue = ["type": .text(code), "hosts": .number("\(hosts)")]
            #expect(violations(.updateBasePlan, body).map(\.field) == ["hosts"], "\(hosts)")
        }
    }

    @Test("Without strict rules Zoom decides about unknown codes and about the hosts of base plans")
    func lenient() {
        let bodies: [(Operation, InputValue)] = [
            (.updateBasePlan, ["type": "enterprise", "hosts": 5000]),
            (.updateBasePlan, ["type": "monthly", "hosts": 5000]),
            (.updateAdditionalPlan, ["type": "zva_monthly", "hosts": 1]),
            (.cancelAdditionalPlans, ["type": "zva_monthly"]),
            (.subscribePlans, Self.subscribing("plan_webinar", [["type": "webinar500", "hosts": 1]])),
            (.subscribePlans, Self.subscribing("plan_webniar", [["type": "webinar500_monthly", "hosts": 1]])),
        ]
        for (operation, body) in bodies {
            #expect(violations(operation, body, isStrict: false) == [])
            #expect(violations(operation, body) != [])
        }
    }

    @Test("Without strict rules a known code of another kind is still refused")
    func lenientKind() {
        let body = Self.subscribing("plan_webinar", [["type": "large500_monthly", "hosts": 1]])
        #expect(violations(.subscribePlans, body, isStrict: false).map(\.field) == ["plan_webinar[0].type"])
        #expect(
            violations(.updateAdditionalPlan, ["type": "monthly", "hosts": 10_000], isStrict: false).map(\.field) == [
                "type", "hosts",
            ])
    }

    @Test("Every broken rule of a subscription is named at once")
    func all() {
        let body: InputValue = [
            "contact": ContactRulesTests.contact.with("zip", nil), "plan_base": ["type": "monthly", "hosts": 10],
            "plan_webinar": [["type": "webinar500_monthly", "hosts": 0], ["hosts": 1]], "plan_recording": 40,
            "note": "x",
        ]
        #expect(
            violations(.subscribePlans, body).map(\.field) == [
                "contact.zip", "plan_base.hosts", "plan_webinar[0].hosts", "plan_webinar[1].type", "plan_recording",
                "note",
            ])
    }

    @Test("A subscription has at most 100 plans")
    func limit() {
        var body = Self.subscription
        for kind in 0..<6 {
            let plans = (0..<20).map { InputValue.object([.init(name: "type", value: .text("kind\(kind)_\($0)"))]) }
            body = body.with("plan_new\(kind)", .list(plans))
        }
        let violations = violations(.subscribePlans, body)
        #expect(violations.count == 21)
        #expect(violations.first == .init(field: "plan_new4[19]", message: "A request has at most 100 plans."))
    }

    // MARK: What is sent

    @Test("Numbers are sent as plain digits, and country ids without blanks")
    func canonical() throws {
        let write = try AccountWrite.make(
            .updateBasePlan, of: account, from: ["type": "monthly", "hosts": .number("0.9e1")], rules: WriteRules())
        #expect(write.body == ["type": "monthly", "hosts": 9])
        let audio = try AccountWrite.make(
            .subscribeAdditionalPlan, of: account, from: ["type": "tollfree_payongo", "tollfree_countries": "US, CA "],
            rules: WriteRules())
        #expect(audio.body == ["type": "tollfree_payongo", "tollfree_countries": "US,CA"])
    }

    @Test("A cancellation without an action is sent with it")
    func action() throws {
        let base = try AccountWrite.make(.cancelBasePlan, of: account, from: [:], rules: WriteRules())
        #expect(base.body == ["action": "cancel"])
        let additional = try AccountWrite.make(
            .cancelAdditionalPlans, of: account, from: ["type": "zwb_monthly", "reason": 1], rules: WriteRules())
        #expect(additional.body == ["action": "cancel", "type": "zwb_monthly", "reason": 1])
    }

    // MARK: Audit

    @Test("The audit of a subscription names its members, its codes and its hosts")
    func audit() throws {
        let body: InputValue = [
            "contact": ContactRulesTests.contact, "plan_base": ["type": "monthly", "hosts": 3],
            "plan_webinar": [["type": "webinar500_monthly", "hosts": 2]], "plan_recording": "cmr_monthly_commitment_40",
            "plan_hologram": ["type": "holo", "hosts": 1], "plan_note": "code",
        ]
        let write = try AccountWrite.make(.subscribePlans, of: account, from: body, rules: WriteRules())
        let contact = BillingContact.Field.allCases.map { "contact.\($0.name)" }
        #expect(Set(write.changedFields.prefix(10)) == Set(contact))
        #expect(
            write.changedFields.dropFirst(10) == [
                "plan_base", "plan_webinar", "plan_recording", "plan_hologram", "plan_note",
            ])
        #expect(
            write.plans == [
                PlanQuantity(code: "monthly", hosts: 3), PlanQuantity(code: "webinar500_monthly", hosts: 2),
                PlanQuantity(code: "cmr_monthly_commitment_40", hosts: nil), PlanQuantity(code: "holo", hosts: 1),
                PlanQuantity(code: "code", hosts: nil),
            ])
        #expect(write.unknownKinds == ["plan_hologram", "plan_note"])
        #expect(write.shownBy == .planInformation(of: account))
    }

    @Test("The audit of a cancellation names the code without hosts")
    func auditOfCancellation() throws {
        let body: InputValue = ["type": "zwb_monthly", "comment": "x"]
        let write = try AccountWrite.make(.cancelAdditionalPlans, of: account, from: body, rules: WriteRules())
        #expect(write.plans == [PlanQuantity(code: "zwb_monthly", hosts: nil)])
        #expect(write.changedFields == ["action", "type", "comment"])
        let base = try AccountWrite.make(.cancelBasePlan, of: account, from: [:], rules: WriteRules())
        #expect(base.plans == [])
    }

    @Test("Every write reads the operation that its rules name", arguments: documented)
    func shownBy(row: Accepted) throws {
        let write = try AccountWrite.make(row.operation, of: account, from: row.body, rules: WriteRules())
        guard case .write(let shownBy, _) = row.operation.rules.effect else {
            Issue.record("\(row.operation) is not a write")
            return
        }
        #expect(write.shownBy.operation == shownBy)
        #expect(write.shownBy.account == account)
    }
}
