import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Sandbox plans", .timeLimit(.minutes(10)))
struct SandboxPlanTests {
    /// The members of the plans and of the usage by kind of account.
    private static let members: [(kind: String, plans: Set<String>)] = [
        ("plans-base", ["plan_base"]),
        ("plans-arrays", ["plan_base", "plan_webinar", "plan_large_meeting", "plan_zoom_events"]),
        ("plans-rooms", ["plan_base", "plan_zoom_rooms", "plan_room_connector", "plan_zwr"]),
        ("plans-room-arrays", ["plan_base", "plan_zoom_rooms", "plan_room_connector", "plan_zwr"]),
        ("plans-phone", ["plan_base", "plan_phone"]), ("plans-contact-center", ["plan_base", "plan_zcc"]),
        (
            "plans-recording",
            [
                "plan_base", "plan_recording", "plan_recording_status", "plan_recording_service_effective_date",
                "plan_recording_next_invoice_date", "plan_audio",
            ]
        ),
        ("plans-unknown", ["plan_base", "plan_hologram_rooms", "plan_tiers", "plan_note"]),
        ("plans-bundle", ["plan_united", "plan_whiteboard"]),
    ]

    private func kinds(_ caller: SandboxCaller) async throws -> [String: String] {
        let answer = try await caller.send("GET", "/sandbox/accounts").json
        return answer.members.reduce(into: [:]) { $0[$1.name] = $1.value.string }
    }

    @Test("each kind of account has its plans and their usage", arguments: members)
    func kinds(kind: String, plans: Set<String>) async throws {
        try await SandboxCaller.with { caller in
            let account = try #require(try await kinds(caller)[kind])
            let information = try await caller.get("/v2/accounts/\(account)/plans")
            #expect(information.status == 200 && Set(information.json.members.map(\.name)) == plans)
            let usage = try await caller.get("/v2/accounts/\(account)/plans/usage")
            let companions = plans.filter { $0.hasPrefix("plan_recording_") }
            #expect(usage.status == 200 && Set(usage.json.members.map(\.name)) == plans.subtracting(companions))
        }
    }

    @Test("the account list of the sandbox's API names one account of each kind")
    func accounts() async throws {
        try await SandboxCaller.with { caller in
            let kinds = try await kinds(caller)
            let names = SandboxAccountKind.allCases.map(\.rawValue) + SandboxPlanKind.allCases.map(\.rawValue)
            #expect(Set(kinds.keys) == Set(names))
            #expect(kinds["self-pay"] == caller.account(42))
            #expect(kinds.values.allSatisfy { caller.sandbox.accounts.number(of: $0) != nil })
        }
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 1)) { caller in
            let kinds = try await kinds(caller)
            #expect(kinds == ["plans-base": caller.account(0)])
        }
    }

    @Test("rooms are an object in one release and an array in another, and recording is a string or an object")
    func shapes() async throws {
        try await SandboxCaller.with { caller in
            let kinds = try await kinds(caller)
            func plans(_ kind: String, _ path: String) async throws -> JSONObject {
                try await caller.get("/v2/accounts/\(try #require(kinds[kind]))\(path)").json
            }
            #expect(try await plans("plans-rooms", "/plans")["plan_zoom_rooms"]?.object != nil)
            #expect(try await plans("plans-room-arrays", "/plans")["plan_zoom_rooms"]?.array?.count == 2)
            #expect(try await plans("plans-recording", "/plans")["plan_recording"]?.string != nil)
            let usage = try await plans("plans-recording", "/plans/usage")["plan_recording"]?.object
            #expect(usage?["free_storage"] == .string("3 GB") && usage?["plan_storage_exceed"] == .string("0"))
            #expect(
                try await plans("plans-unknown", "/plans")["plan_hologram_rooms"]?.object?["unit_price"]
                    == .number("12345678901234567.89"))
            #expect(try await plans("plans-bundle", "/plans/usage")["plan_united"]?.object?["name"] != nil)
            #expect(
                try await plans("null-members", "/plans")["plan_united"]?.object?["status"] == .null)
            #expect(try await plans("large", "/plans")["plan_webinar"]?.array?.count == 3000)
        }
    }

    @Test("statuses have all spellings of Zoom's releases, and dates both forms")
    func spellings() async throws {
        try await SandboxCaller.with { caller in
            var statuses: Set<String> = []
            var dates: Set<Int> = []
            var exceeded = 0
            for number in 0..<60 {
                let path = "/v2/accounts/\(caller.account(number))/plans"
                for plan in try await caller.get(path).json.members.flatMap({ $0.value.array ?? [$0.value] }) {
                    if let status = plan.object?["status"]?.string { statuses.insert(status) }
                    if let date = plan.object?["next_invoice_date"]?.string { dates.insert(date.utf8.count) }
                }
                let base = try await caller.get(path + "/usage").json["plan_base"]?.object
                if case .number(let usage) = base?["usage"], case .number(let hosts) = base?["hosts"],
                    let usage = Int(usage), let hosts = Int(hosts), usage > hosts
                {
                    exceeded += 1
                }
            }
            #expect(statuses == ["active", "Active", "cancel", "cancelled", "expired"])
            #expect(dates == ["2026-02-01".utf8.count, "2026-02-01T00:00:00Z".utf8.count])
            #expect(exceeded > 0)
        }
    }

    @Test("the plans of an account are invoiced on the date of its next invoice")
    func nextInvoice() async throws {
        let clock = TestClock()
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 10), clock) { caller in
            let path = "/v2/accounts/\(caller.account(0))/plans"
            let base = try #require(try await caller.get(path).json["plan_base"]?.object)
            #expect(base["next_invoice_date"] == .string("2026-02-01"))
            clock.advance(by: .seconds(86_400))
            let invoices = try await caller.invoices(of: caller.account(0), from: "2026-02-01", to: "2026-02-01")
            #expect(invoices.count == 1)
            let later = try #require(try await caller.get(path).json["plan_base"]?.object)
            #expect(later["next_invoice_date"] == .string("2026-03-01"))
        }
    }
}
