import Domain
import Testing

@Suite("Effects of plan changes")
struct PlanEffectTests {
    private static func state(_ plans: InputValue) -> AccountState { .plans(AccountPlans(reading: plans)) }

    private static func plan(_ code: String, _ hosts: Int, _ status: String? = "active") -> InputValue {
        ["type": .text(code), "hosts": .number("\(hosts)"), "status": status.map(InputValue.text) ?? nil]
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let operation: Operation
        let body: InputValue
        let plans: InputValue
        let isShown: Bool

        init(
            _ description: String, _ operation: Operation, _ body: InputValue, _ plans: InputValue, isShown: Bool
        ) {
            self.testDescription = description
            self.operation = operation
            self.body = body
            self.plans = plans
            self.isShown = isShown
        }
    }

    private static let base: InputValue = ["type": "business_yearly", "hosts": 12]
    private static let webinar: InputValue = ["type": "webinar500_monthly", "hosts": 2]
    private static let phone: InputValue = [
        "type": "plan_phone",
        "plan_details": ["plan_base": ["type": "zp_payg"], "plan_number": [["type": "zp_number", "hosts": 4]]],
    ]
    private static let subscription: InputValue = [
        "plan_base": base, "plan_webinar": [webinar], "plan_recording": "cmr_monthly_commitment_40",
    ]
    private static let subscribed: InputValue = [
        "plan_base": plan("business_yearly", 12), "plan_webinar": [plan("webinar500_monthly", 2)],
        "plan_recording": "cmr_monthly_commitment_40", "plan_recording_status": "Active",
    ]

    private static let rows: [Row] = [
        Row("the base plan", .updateBasePlan, base, ["plan_base": plan("business_yearly", 12)], isShown: true),
        Row("other hosts", .updateBasePlan, base, ["plan_base": plan("business_yearly", 10)], isShown: false),
        Row("another code", .updateBasePlan, base, ["plan_base": plan("business_monthly", 12)], isShown: false),
        Row(
            "a cancelled plan", .updateBasePlan, base, ["plan_base": plan("business_yearly", 12, "cancelled")],
            isShown: false),
        Row(
            "a plan without a status", .updateBasePlan, base, ["plan_base": plan("business_yearly", 12, nil)],
            isShown: false),
        Row(
            "the code of another kind", .updateBasePlan, base, ["plan_webinar": [plan("business_yearly", 12)]],
            isShown: false),
        Row("no plans", .updateBasePlan, base, [:], isShown: false),
        Row("the additional plan", .updateAdditionalPlan, webinar, subscribed, isShown: true),
        Row(
            "one of several plans", .updateAdditionalPlan, webinar,
            ["plan_webinar": [plan("webinar1000_monthly", 2), plan("webinar500_monthly", 2)]], isShown: true),
        Row(
            "the code without its term", .updateAdditionalPlan, webinar, ["plan_webinar": [plan("webinar500", 2)]],
            isShown: false),
        Row("the new plan", .subscribeAdditionalPlan, webinar, subscribed, isShown: true),
        Row(
            "a room as base plan", .subscribeAdditionalPlan, ["type": "zroom_monthly", "hosts": 1],
            ["plan_base": plan("zroom_monthly", 1)], isShown: false),
        Row(
            "a recording plan", .subscribeAdditionalPlan, ["type": "cmr_monthly_commitment_40"], subscribed,
            isShown: true),
        Row(
            "a phone plan by its code", .subscribeAdditionalPlan, ["type": "zobp_usca_monthly_unlimited", "hosts": 1],
            ["plan_phone": ["plan_calling": [plan("zobp_usca_monthly_unlimited", 1)]]], isShown: true),
        Row(
            "every part of a phone plan", .subscribeAdditionalPlan, phone,
            ["plan_phone": ["plan_base": plan("zp_payg", 1), "plan_number": [plan("zp_number", 4)]]], isShown: true),
        Row(
            "one part of a phone plan", .subscribeAdditionalPlan, phone,
            ["plan_phone": ["plan_number": [plan("zp_number", 4)]]], isShown: false),
        Row("every plan", .subscribePlans, subscription, subscribed, isShown: true),
        Row("one plan is missing", .subscribePlans, subscription, subscribed.with("plan_webinar", nil), isShown: false),
        Row(
            "the recording plan is not active", .subscribePlans, subscription,
            subscribed.with("plan_recording_status", "Cancelled"), isShown: false),
        Row(
            "a plan that is still active", .cancelAdditionalPlans, ["type": "webinar500_monthly"], subscribed,
            isShown: false),
        Row(
            "a plan that is cancelled", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar500_monthly", 2, "cancel")]], isShown: true),
        Row(
            "a plan that is gone", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar1000_monthly", 2)]], isShown: true),
        Row(
            "a plan without a status", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar500_monthly", 2, nil)]], isShown: false),
        Row(
            "a plan that may be another", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar500", 2)]], isShown: false),
        Row(
            "one cancelled and one active", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar500_monthly", 2, "cancel"), plan("webinar500_monthly", 1)]], isShown: false),
        Row("a base plan that is active", .cancelBasePlan, [:], subscribed, isShown: false),
        Row(
            "a base plan that is cancelled", .cancelBasePlan, [:], ["plan_base": plan("monthly", 2, "cancelled")],
            isShown: true),
        Row("a base plan that is gone", .cancelBasePlan, [:], [:], isShown: true),
        Row(
            "a base plan without a status", .cancelBasePlan, [:], ["plan_base": plan("monthly", 2, nil)], isShown: false
        ),
        Row("a bundle", .cancelBasePlan, [:], ["plan_united": plan("pro_zpp_monthly", 2)], isShown: false),
    ]

    @Test("Plans show a change only if it is certain", arguments: rows)
    func shown(row: Row) throws {
        let write = try PlanStateRulesTests.write(row.operation, row.body)
        #expect(write.isShown(by: Self.state(row.plans)) == row.isShown)
        #expect(!write.isShown(by: .contact(BillingContact(reading: { _ in nil }))))
    }

    @Test("An update differs in its code and its hosts")
    func update() throws {
        let write = try PlanStateRulesTests.write(.updateBasePlan, Self.base)
        #expect(
            write.differences(from: Self.state(["plan_base": Self.plan("business_monthly", 10)])) == [
                Difference(field: "type", from: "business_monthly", to: "business_yearly"),
                Difference(field: "hosts", from: "10", to: "12"),
            ])
        #expect(
            write.differences(from: Self.state(["plan_base": Self.plan("business_yearly", 10)])) == [
                Difference(field: "hosts", from: "10", to: "12")
            ])
        #expect(write.differences(from: Self.state(["plan_base": Self.plan("business_yearly", 12)])) == [])
        #expect(
            write.differences(from: Self.state([:])) == [
                Difference(field: "type", from: nil, to: "business_yearly"),
                Difference(field: "hosts", from: nil, to: "12"),
            ])
    }

    @Test("An update of an additional plan is compared with the plan of its code, else with the only one of its kind")
    func additional() throws {
        let write = try PlanStateRulesTests.write(.updateAdditionalPlan, Self.webinar)
        let other = Self.plan("webinar1000_monthly", 1)
        #expect(
            write.differences(from: Self.state(["plan_webinar": [other, Self.plan("webinar500_monthly", 1)]])) == [
                Difference(field: "hosts", from: "1", to: "2")
            ])
        #expect(
            write.differences(from: Self.state(["plan_webinar": [other]])) == [
                Difference(field: "type", from: "webinar1000_monthly", to: "webinar500_monthly"),
                Difference(field: "hosts", from: "1", to: "2"),
            ])
        #expect(
            write.differences(from: Self.state(["plan_webinar": [other, other]])) == [
                Difference(field: "type", from: nil, to: "webinar500_monthly"),
                Difference(field: "hosts", from: nil, to: "2"),
            ])
    }

    @Test("A subscription differs in every plan, and in the fields of its contact")
    func subscription() throws {
        let contact: InputValue = ContactRulesTests.contact.with("city", "Berlin")
        let write = try PlanStateRulesTests.write(.subscribePlans, Self.subscription.with("contact", contact))
        #expect(
            write.differences(from: Self.state([:])) == [
                Difference(field: "plan_base.type", from: nil, to: "business_yearly"),
                Difference(field: "plan_base.hosts", from: nil, to: "12"),
                Difference(field: "plan_webinar[0].type", from: nil, to: "webinar500_monthly"),
                Difference(field: "plan_webinar[0].hosts", from: nil, to: "2"),
                Difference(field: "plan_recording", from: nil, to: "cmr_monthly_commitment_40"),
            ])
        #expect(
            write.differences(from: .contact(ContactRulesTests.current())) == [
                Difference(field: "contact.city", from: "Oakland", to: "Berlin")
            ])
    }

    @Test("A cancellation differs in the status of its plans")
    func cancellation() throws {
        let additional = try PlanStateRulesTests.write(.cancelAdditionalPlans, ["type": "webinar500_monthly"])
        #expect(
            additional.differences(from: Self.state(Self.subscribed)) == [
                Difference(field: "plan_webinar.status", from: "active", to: "cancelled")
            ])
        let base = try PlanStateRulesTests.write(.cancelBasePlan, [:])
        #expect(
            base.differences(from: Self.state(Self.subscribed)) == [
                Difference(field: "plan_base.status", from: "active", to: "cancelled")
            ])
        #expect(base.differences(from: Self.state(["plan_base": Self.plan("monthly", 1, "cancelled")])) == [])
    }
}
