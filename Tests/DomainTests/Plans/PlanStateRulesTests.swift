import Domain
import Testing

@Suite("Plan rules for the state of an account")
struct PlanStateRulesTests {
    static func write(_ operation: Operation, _ body: InputValue) throws -> AccountWrite {
        try AccountWrite.make(operation, of: account, from: body, rules: WriteRules(isStrict: false))
    }

    private static func plan(_ code: String, _ status: String? = "active", hosts: Int = 10) -> InputValue {
        ["type": .text(code), "hosts": .number("\(hosts)"), "status": status.map(InputValue.text) ?? nil]
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let operation: Operation
        let body: InputValue
        let plans: InputValue
        /// The fields of the broken rules; empty if the source decides.
        let fields: [String]

        init(
            _ description: String, _ operation: Operation, _ body: InputValue, _ plans: InputValue,
            _ fields: [String] = []
        ) {
            self.testDescription = description
            self.operation = operation
            self.body = body
            self.plans = plans
            self.fields = fields
        }
    }

    private static let business: InputValue = ["plan_base": plan("business_monthly")]
    private static let subscription: InputValue = ["plan_base": ["type": "monthly", "hosts": 3]]
    private static let webinar: InputValue = ["type": "webinar500_monthly", "hosts": 2]
    private static let webinars = business.with("plan_webinar", [plan("webinar500_monthly", hosts: 2)])
    private static let trial: InputValue = ["plan_base": plan("trial"), "plan_webinar": [plan("webinar500_monthly")]]
    private static let bundle: InputValue = ["plan_united": plan("pro_zpp_monthly")]

    private static let subscriptions: [Row] = [
        Row("a free account", .subscribePlans, subscription, [:]),
        Row("an expired base plan", .subscribePlans, subscription, ["plan_base": plan("monthly", "expired")]),
        Row("a cancelled base plan", .subscribePlans, subscription, ["plan_base": plan("monthly", "cancelled")]),
        Row("a base plan without a status", .subscribePlans, subscription, ["plan_base": plan("monthly", nil)]),
        Row("a base plan on trial", .subscribePlans, subscription, trial),
        Row("an active base plan", .subscribePlans, subscription, business, ["plan_base"]),
        Row("a bundle", .subscribePlans, subscription, bundle, ["plan_base"]),
        Row("a Zoom One plan", .subscribePlans, subscription, ["plan_zoom_one": [plan("x")]], ["plan_base"]),
        Row("a plan of an unknown kind", .subscribePlans, subscription, ["plan_hologram": plan("x")]),
        Row("a phone plan", .subscribePlans, subscription, ["plan_phone": ["plan_base": plan("zp_payg")]]),
        Row(
            "a bundle on an account with a base plan", .subscribePlans,
            ["plan_united": ["type": "pro_zpp_yearly", "hosts": 1]],
            business, ["plan_united"]),
    ]

    private static let additions: [Row] = [
        Row("a base plan", .subscribeAdditionalPlan, webinar, business),
        Row("a bundle", .subscribeAdditionalPlan, webinar, bundle),
        Row("a free account", .subscribeAdditionalPlan, webinar, [:], ["type"]),
        Row(
            "only a cancelled additional plan", .subscribeAdditionalPlan, webinar,
            ["plan_webinar": [plan("webinar1000_monthly", "cancelled")]], ["type"]),
        Row("a cancelled base plan", .subscribeAdditionalPlan, webinar, ["plan_base": plan("monthly", "cancelled")]),
        Row("a plan of an unknown kind", .subscribeAdditionalPlan, webinar, ["plan_hologram": plan("x")]),
        Row("an active phone plan", .subscribeAdditionalPlan, webinar, ["plan_phone": ["plan_base": plan("zp_payg")]]),
        Row("the same plan", .subscribeAdditionalPlan, webinar, webinars, ["type"]),
        Row("the same plan, yearly", .subscribeAdditionalPlan, ["type": "webinar500_yearly", "hosts": 2], webinars),
        Row(
            "the same plan, cancelled", .subscribeAdditionalPlan, webinar,
            business.with("plan_webinar", [plan("webinar500_monthly", "cancelled")])),
        Row(
            "the same plan without a status", .subscribeAdditionalPlan, webinar,
            business.with("plan_webinar", [plan("webinar500_monthly", nil)])),
        Row(
            "rooms with a base plan for rooms", .subscribeAdditionalPlan, ["type": "zroom_monthly", "hosts": 1],
            ["plan_base": plan("zroom_monthly")], ["type"]),
        Row("rooms with a Business plan", .subscribeAdditionalPlan, ["type": "zroom_monthly", "hosts": 1], business),
        Row(
            "pay-as-you-go audio with a Pro plan", .subscribeAdditionalPlan,
            ["type": "tollfree_payongo", "callout_countries": "US"], ["plan_base": plan("monthly")], ["type"]),
        Row(
            "pay-as-you-go audio with a Business plan", .subscribeAdditionalPlan,
            ["type": "tollfree_payongo", "callout_countries": "US"], business),
        Row(
            "pay-as-you-go audio with an Education plan", .subscribeAdditionalPlan,
            ["type": "tollfree_payongo", "callout_countries": "US"], ["plan_base": plan("edu20")]),
        Row(
            "pay-as-you-go audio with an unknown base plan", .subscribeAdditionalPlan,
            ["type": "tollfree_payongo", "callout_countries": "US"], ["plan_base": plan("enterprise")]),
        Row(
            "pay-as-you-go audio with a bundle", .subscribeAdditionalPlan,
            ["type": "tollfree_payongo", "callout_countries": "US"], bundle),
        Row(
            "committed audio with a Pro plan", .subscribeAdditionalPlan,
            ["type": "tollfree_monthly_commitment_100", "callout_countries": "US"], ["plan_base": plan("monthly")]),
        Row(
            "phone numbers again", .subscribeAdditionalPlan,
            ["type": "plan_phone", "plan_details": ["plan_number": [["type": "zp_number", "hosts": 1]]]],
            business.with("plan_phone", ["plan_number": [plan("zp_number")]])),
    ]

    private static let updates: [Row] = [
        Row("the plan is there", .updateAdditionalPlan, webinar, webinars),
        Row(
            "another size of the kind is there", .updateAdditionalPlan, ["type": "webinar1000_yearly", "hosts": 2],
            webinars),
        Row(
            "the plan is cancelled", .updateAdditionalPlan, webinar,
            business.with("plan_webinar", [plan("webinar500", "cancel")])),
        Row(
            "no plan of the kind is there", .updateAdditionalPlan, ["type": "large500_yearly", "hosts": 2], webinars,
            ["type"]),
        Row(
            "the plan has expired", .updateAdditionalPlan, webinar,
            business.with("plan_webinar", [plan("webinar500_monthly", "expired")]), ["type"]),
        Row(
            "a plan of an unknown kind is there", .updateAdditionalPlan, webinar,
            business.with("plan_hologram", plan("x"))),
        Row("the code is unknown", .updateAdditionalPlan, ["type": "holo", "hosts": 2], webinars),
        Row("the account is free", .updateAdditionalPlan, webinar, [:], ["type"]),
        Row("the account is on trial", .updateAdditionalPlan, webinar, trial, ["type"]),
        Row(
            "pay-as-you-go audio with a Pro plan", .updateAdditionalPlan, ["type": "tollfree_payongo", "hosts": 1],
            ["plan_base": plan("monthly"), "plan_audio": plan("tollfree_monthly_commitment_100")], ["type"]),
        Row("more hosts", .updateBasePlan, ["type": "business_monthly", "hosts": 12], business),
        Row("another term", .updateBasePlan, ["type": "business_yearly", "hosts": 12], business),
        Row("another kind of base plan", .updateBasePlan, ["type": "yearly", "hosts": 5], business, ["type"]),
        Row("an unknown base plan", .updateBasePlan, ["type": "enterprise", "hosts": 5], business),
        Row(
            "a base plan of the account that is unknown", .updateBasePlan, ["type": "yearly", "hosts": 5],
            ["plan_base": plan("x")]),
        Row("a trial that is none", .updateBasePlan, ["type": "trial", "hosts": 5], business, ["type"]),
        Row("a trial with more hosts", .updateBasePlan, ["type": "trial", "hosts": 5], trial),
        Row("a base plan of a free account", .updateBasePlan, ["type": "yearly", "hosts": 5], [:], ["type"]),
        Row(
            "a base plan of an account with a phone plan only", .updateBasePlan, ["type": "yearly", "hosts": 5],
            ["plan_phone": ["plan_base": plan("zp_payg")]], ["type"]),
        Row("a bundle", .updateBasePlan, ["type": "yearly", "hosts": 5], bundle, ["type"]),
        Row(
            "a cancelled bundle", .updateBasePlan, ["type": "yearly", "hosts": 5],
            ["plan_united": plan("pro_zpp_monthly", "cancelled")]),
    ]

    private static let cancellations: [Row] = [
        Row("the plan is there", .cancelAdditionalPlans, ["type": "webinar500_monthly"], webinars),
        Row(
            "the plan is there without its term", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            ["plan_webinar": [plan("webinar500")]]),
        Row(
            "another plan of the kind is there", .cancelAdditionalPlans, ["type": "webinar1000_monthly"], webinars,
            ["type"]),
        Row(
            "another term of the plan is there", .cancelAdditionalPlans, ["type": "webinar500_yearly"], webinars,
            ["type"]),
        Row(
            "the plan is cancelled", .cancelAdditionalPlans, ["type": "webinar500_monthly"],
            business.with("plan_webinar", [plan("webinar500_monthly", "cancelled")])),
        Row("the account is free", .cancelAdditionalPlans, ["type": "webinar500_monthly"], [:], ["type"]),
        Row("the account is on trial", .cancelAdditionalPlans, ["type": "webinar500_monthly"], trial, ["type"]),
        Row("a base plan alone", .cancelBasePlan, [:], business),
        Row("an additional plan is active", .cancelBasePlan, [:], webinars, ["plan_webinar"]),
        Row(
            "several additional plans are active", .cancelBasePlan, [:],
            webinars.with("plan_phone", ["plan_number": [plan("zp_number")]]).with("plan_zwr", plan("zwr_yearly")),
            ["plan_webinar", "plan_phone.plan_number", "plan_zwr"]),
        Row(
            "the additional plans are cancelled or have expired", .cancelBasePlan, [:],
            business.with(
                "plan_webinar", [plan("webinar500_monthly", "cancel"), plan("webinar100_monthly", "expired")])),
        Row(
            "an additional plan without a status", .cancelBasePlan, [:],
            business.with("plan_webinar", [plan("webinar500_monthly", nil)])),
        Row("the base plan is cancelled", .cancelBasePlan, [:], ["plan_base": plan("monthly", "cancelled")]),
        Row("the account is free", .cancelBasePlan, [:], [:], ["plan_base"]),
        Row("the account is on trial", .cancelBasePlan, [:], ["plan_base": plan("trial")], ["plan_base"]),
        Row("the account has a bundle", .cancelBasePlan, [:], bundle, ["plan_united"]),
    ]

    @Test("Subscribing needs a free account", arguments: subscriptions)
    func subscribe(row: Row) throws { try check(row) }

    @Test("An additional plan needs a base plan, and must be new", arguments: additions)
    func add(row: Row) throws { try check(row) }

    @Test("An update needs a plan of the same kind", arguments: updates)
    func update(row: Row) throws { try check(row) }

    @Test("A cancellation needs the plan, and the base plan is cancelled last", arguments: cancellations)
    func cancel(row: Row) throws { try check(row) }

    private func check(_ row: Row) throws {
        let write = try Self.write(row.operation, row.body)
        let violations = write.violations(given: AccountPlans(reading: row.plans))
        #expect(violations.map(\.field) == row.fields, "\(violations.map(\.message))")
        #expect(violations.allSatisfy { !$0.message.isEmpty })
    }

    @Test("A contact has no rules about plans, and a plan has none about the contact")
    func otherState() throws {
        let contact = try Self.write(.updateBillingInformation, ["city": "x"])
        #expect(contact.violations(given: AccountPlans([])) == [])
        let plan = try Self.write(.updateBasePlan, ["type": "monthly", "hosts": 1])
        #expect(plan.violations(given: BillingContact(reading: { _ in nil })) == [])
    }

    @Test("At most 100 active plans are named before the base plan is cancelled")
    func limit() throws {
        let plans = Self.business.with(
            "plan_webinar", .list(Array(repeating: Self.plan("webinar500_monthly"), count: 3000)))
        let violations = try Self.write(.cancelBasePlan, [:]).violations(given: AccountPlans(reading: plans))
        #expect(violations.count == 101)
        #expect(violations.last?.message == "2900 more plans must be cancelled first.")
    }
}
