import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// Random sequences of writes, compared with a model of the plans that accepted writes imply.
@Suite("Sandbox plans after random writes", .timeLimit(.minutes(10)))
struct SandboxPlanModelTests {
    /// A plan as Get plan information shows it.
    struct Plan: Equatable {
        var member: String
        var code: String
        var hosts: Int
        /// The day on which it ends; `nil` while it is active.
        var end: String?
    }

    /// The plans of one account, changed by accepted writes only.
    struct Model {
        var plans: [Plan]

        /// The days on which the plans of the account are invoiced.
        let day: Int

        /// The base plan, while it is active.
        var base: Int? { plans.firstIndex { $0.member == "plan_base" } }

        mutating func removeEnded(on today: String) {
            plans.removeAll { plan in plan.end.map { $0 <= today } ?? false }
            if base == nil { plans = [] }
        }

        mutating func add(_ plan: Plan) {
            plans.removeAll { $0.member == plan.member && $0.code == plan.code && $0.end != nil }
            plans.append(plan)
        }

        mutating func update(_ member: String, _ code: String, _ hosts: Int) {
            let active = plans.indices.filter { plans[$0].member == member && plans[$0].end == nil }
            guard let index = active.first(where: { plans[$0].code == code }) ?? active.first else {
                Issue.record("an update of \(code) was accepted without such a plan")
                return
            }
            plans[index].code = code
            plans[index].hosts = hosts
        }

        mutating func cancel(_ member: String, _ code: String, end: String) {
            guard
                let index = plans.firstIndex(where: { $0.member == member && $0.code == code && $0.end == nil })
            else {
                Issue.record("a cancellation of \(code) was accepted without such a plan")
                return
            }
            plans[index].end = end
        }
    }

    private static let additional = [
        ("plan_webinar", "webinar500_monthly"), ("plan_webinar", "webinar1000_monthly"),
        ("plan_webinar", "webinar3000_yearly"), ("plan_large_meeting", "large500_monthly"),
        ("plan_zoom_rooms", "zroom_monthly"), ("plan_whiteboard", "zwb_monthly"),
    ]

    private static let bases = ["monthly", "business_monthly", "business_yearly", "edu20", "webinar500_monthly"]

    @Test("Get plan information shows exactly what accepted writes imply", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func sequences(seed: UInt64) async throws {
        let clock = TestClock()
        var random = SeededRandom(seed: seed)
        let configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        try await SandboxCaller.with(configuration, clock) { caller in
            // Two free accounts, and one with only an active base plan.
            var models: [Int: Model] = [
                33: Model(plans: [], day: 33 % 28 + 1), 133: Model(plans: [], day: 133 % 28 + 1),
                45: Model(
                    plans: [Plan(member: "plan_base", code: "business_monthly", hosts: 15)], day: 45 % 28 + 1),
            ]
            var accepted = 0
            var authorization = try await caller.authorization()
            for _ in 0..<150 {
                let number = [33, 133, 45].randomElement(using: &random) ?? 33
                guard var model = models[number] else { continue }
                if Int.random(in: 0..<12, using: &random) == 0 {
                    clock.advance(by: .seconds(Int64.random(in: 1...20, using: &random) * 86_400))
                    authorization = try await caller.authorization()
                }
                let today = String(clock.timestamp.rfc3339.prefix(10))
                for key in models.keys { models[key]?.removeEnded(on: today) }
                model.removeEnded(on: today)
                let isAccepted = try await write(
                    caller, caller.account(number), authorization, &model, today: today, &random)
                if isAccepted { accepted += 1 }
                models[number] = model
                for (number, model) in models {
                    let shown = try await shownPlans(caller, caller.account(number), authorization)
                    let difference = "seed \(seed), account \(number), \(today): \(shown) instead of \(model.plans)"
                    try #require(
                        shown.sorted { "\($0)" < "\($1)" } == model.plans.sorted { "\($0)" < "\($1)" }, "\(difference)")
                }
            }
            #expect(accepted > 20)
            #expect(caller.sandbox.writes().count { $0.effect == .applied } == accepted)
        }
    }

    /// Sends a random write, and changes the model if it is accepted.
    private func write(
        _ caller: SandboxCaller, _ account: String, _ authorization: String, _ model: inout Model, today: String,
        _ random: inout SeededRandom
    ) async throws -> Bool {
        func send(_ method: String, _ path: String, _ body: String) async throws -> Bool {
            let status = try await caller.write(method, account, path, body, authorization: authorization).status
            #expect([201, 204, 400].contains(status))
            return status < 300
        }
        let (member, code) = Self.additional.randomElement(using: &random) ?? Self.additional[0]
        let base = Self.bases.randomElement(using: &random) ?? Self.bases[0]
        let hosts = Int.random(in: 0...30, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1:
            let addon = #""\#(member)":[{"type":"\#(code)","hosts":\#(hosts)}]"#
            guard try await send("POST", "/plans", #"{"plan_base":{"type":"\#(base)","hosts":\#(hosts)},\#(addon)}"#)
            else { return false }
            model.add(Plan(member: "plan_base", code: base, hosts: hosts))
            model.add(Plan(member: member, code: code, hosts: hosts))
        case 2, 3:
            guard try await send("POST", "/plans/addons", #"{"type":"\#(code)","hosts":\#(hosts)}"#) else {
                return false
            }
            model.add(Plan(member: member, code: code, hosts: hosts))
        case 4:
            guard try await send("PUT", "/plans/addons", #"{"type":"\#(code)","hosts":\#(hosts)}"#) else {
                return false
            }
            model.update(member, code, hosts)
        case 5, 6:
            guard try await send("PATCH", "/plans/addons/status", #"{"action":"cancel","type":"\#(code)"}"#) else {
                return false
            }
            model.cancel(member, code, end: Self.nextInvoice(after: today, day: model.day))
        case 7:
            guard try await send("PUT", "/plans/base", #"{"type":"\#(base)","hosts":\#(hosts)}"#) else { return false }
            model.update("plan_base", base, hosts)
        case _:
            guard let index = model.base else {
                return try await send("PATCH", "/plans/base/status", #"{"action":"cancel"}"#)
            }
            let code = model.plans[index].code
            guard try await send("PATCH", "/plans/base/status", #"{"action":"cancel"}"#) else { return false }
            model.cancel("plan_base", code, end: Self.nextInvoice(after: today, day: model.day))
        }
        return true
    }

    /// The next date with a day of the month from 1 to 28, as `yyyy-mm-dd`.
    private static func nextInvoice(after today: String, day: Int) -> String {
        let parts = today.split(separator: "-").compactMap { Int($0) }
        var (year, month) = (parts[0], parts[1])
        if parts[2] >= day {
            (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
        }
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)-\(padded(month))-\(padded(day))"
    }

    private func shownPlans(
        _ caller: SandboxCaller, _ account: String, _ authorization: String
    ) async throws -> [Plan] {
        let json = try await caller.send("GET", "/v2/accounts/\(account)/plans", authorization: authorization).json
        return try json.members.flatMap { member in
            try (member.value.array ?? [member.value]).map { value in
                let plan = try #require(value.object)
                return Plan(
                    member: member.name, code: try #require(plan["type"]?.string),
                    hosts: try #require(plan["hosts"]?.integer),
                    end: plan["status"] == .string("active")
                        ? nil : plan["next_invoice_date"]?.string.map { String($0.prefix(10)) })
            }
        }
    }
}
