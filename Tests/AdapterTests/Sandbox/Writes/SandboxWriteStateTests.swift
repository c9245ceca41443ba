import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// Reads show what writes changed.
@Suite("Sandbox state after writes", .timeLimit(.minutes(10)))
struct SandboxWriteStateTests {
    private let clock = TestClock()

    private func with(_ test: (SandboxCaller) async throws -> Void) async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 200), clock, test)
    }

    private func accept(_ answer: ClientResponse, _ status: Int = 204) throws {
        try #require(answer.status == status, "\(String(buffer: answer.body))")
        if status == 204 { #expect(answer.body.readableBytes == 0) }
    }

    @Test("an update of billing information changes the fields of its body, and nothing else")
    func contact() async throws {
        try await with { caller in
            let account = caller.account(0)
            let before = try await caller.billing(account)
            let other = try await caller.billing(caller.account(4))
            let changes = #"{"city":"Toronto","country":"CA","state":"ON","apt":"7","employee_count":"2-10","x":1}"#
            try accept(try await caller.write("PATCH", account, "/billing", changes))
            let after = try await caller.billing(account)
            for member in after.members {
                let expected: JSONValue? =
                    switch member.name {
                    case "city": .string("Toronto")
                    case "country": .string("CA")
                    case "state": .string("ON")
                    case "apt": .string("7")
                    case "employee_count": .string("2-10")
                    case let name: before[name]
                    }
                #expect(member.value == expected, "\(member.name)")
            }
            #expect(after.members.count == before.members.count + 1)
            #expect(try await caller.billing(caller.account(4)) == other)
            try accept(try await caller.write("PATCH", account, "/billing", "{}"))
            #expect(try await caller.billing(account) == after)
        }
    }

    @Test("fields that an account lacks appear when they are set", arguments: ["missing-members", "null-members"])
    func missing(kind: String) async throws {
        try await with { caller in
            let account = try await caller.account(kind: kind)
            #expect(try await caller.billing(account)["phone_number"]?.string == nil)
            try accept(try await caller.write("PATCH", account, "/billing", #"{"phone_number":"123"}"#))
            #expect(try await caller.billing(account)["phone_number"] == .string("123"))
            #expect(try await caller.billing(account)["state"]?.string == nil)
        }
    }

    private static let order = """
        {"contact":{"first_name":"New","last_name":"Owner","email":"owner@example.com","country":"DE","address":"Weg 1",
        "city":"Bonn","phone_number":"1","state":"","zip":"53111"},
        "plan_base":{"type":"business_yearly","hosts":20},"plan_webinar":[{"type":"webinar500_monthly","hosts":2}],
        "plan_zoom_rooms":{"type":"zroom_monthly","hosts":3},"plan_recording":"cmr_monthly_commitment_40",
        "plan_audio":{"type":"tollfree_payongo","callout_countries":"US"},
        "plan_hologram":{"type":"zholo_monthly","hosts":1}}
        """

    @Test(
        "a subscription makes a free account a paid one: plans, usage, contact, account list and an invoice",
        arguments: ["free", "free-200"])
    func subscribed(kind: String) async throws {
        try await with { caller in
            let account = try await caller.account(kind: kind)
            #expect(try await caller.plans(account).members.isEmpty)
            let answer = try await caller.write("POST", account, "/plans", Self.order)
            try accept(answer, 201)
            let base = try #require(answer.json?["plan_base"]?.object)
            #expect(base["type"] == .string("business_yearly") && base["hosts"] == .number("20"))

            let plans = try await caller.plans(account)
            #expect(
                plans.members.filter { !$0.name.hasPrefix("plan_recording_") }.map(\.name) == [
                    "plan_base", "plan_webinar", "plan_zoom_rooms", "plan_recording", "plan_audio", "plan_hologram",
                ])
            let shown = try #require(plans["plan_base"]?.object)
            #expect(shown["hosts"] == .number("20") && shown["status"] == .string("active"))
            #expect(shown["service_effective_date"]?.string?.hasPrefix("2026-01-31") == true)
            #expect(plans["plan_recording_status"] == .string("Active"))
            #expect(plans["plan_audio"]?.object?["callout_countries"] == .string("US"))
            let usage = try await caller.plans(account, "/usage")
            #expect(usage["plan_base"]?.object?["usage"] == .number("0"))

            let contact = try await caller.billing(account)
            #expect(contact["city"] == .string("Bonn") && contact["email"] == .string("owner@example.com"))
            let list = try await caller.get("/v2/accounts?page_size=200").json["accounts"]?.array ?? []
            let entry = try #require(list.compactMap(\.object).first { $0["id"] == .string(account) })
            #expect(entry["account_type"] == .string("Business") && entry["seats"] == .number("20"))

            let invoices = try await caller.invoices(of: account)
            let invoice = try #require(invoices.first)
            #expect(invoices.count == 1 && invoice["invoice_date"] == .string("2026-01-31"))
            #expect(invoice["status"] == .string("Draft") && invoice["balance"] == invoice["total_amount"])
            let id = try #require(invoice["id"]?.string)
            let details = try await caller.get("\(caller.invoicesPath(account))/\(id)").json
            let charges = try #require(details["invoice_items"]?.array).compactMap { $0.object?["charge_name"]?.string }
            #expect(
                charges == [
                    "business_yearly", "webinar500_monthly", "zroom_monthly", "cmr_monthly_commitment_40",
                    "tollfree_payongo", "zholo_monthly",
                ])
            let file = try await caller.getFile("/v2/billing/invoices/\(id)/download")
            #expect(file.status == 200 && String(buffer: file.body).hasPrefix("%PDF"))
        }
    }

    @Test("an additional plan is added, changed, and listed as cancelled until the end of its term")
    func additional() async throws {
        try await with { caller in
            let account = caller.account(45)
            func addons() async throws -> [JSONObject] {
                (try await caller.plans(account)["plan_webinar"]?.array ?? []).compactMap(\.object)
            }
            let subscribe = #"{"type":"webinar500_monthly","hosts":2}"#
            let answer = try await caller.write("POST", account, "/plans/addons", subscribe)
            try accept(answer, 201)
            #expect(answer.json?["plan_webinar"]?.array?.first?.object?["hosts"] == .number("2"))
            try accept(
                try await caller.write("PUT", account, "/plans/addons", #"{"type":"webinar1000_monthly","hosts":5}"#))
            let changed = try #require(try await addons().first)
            #expect(changed["type"] == .string("webinar1000_monthly") && changed["hosts"] == .number("5"))
            try accept(
                try await caller.write(
                    "PATCH", account, "/plans/addons/status",
                    #"{"action":"cancel","type":"webinar1000_monthly","reason":4,"comment":"none"}"#))
            let cancelled = try #require(try await addons().first)
            #expect(cancelled["status"] == .string("cancelled"))
            let end = try #require(cancelled["next_invoice_date"]?.string)
            #expect(end.hasPrefix("2026-02-18"))
            clock.advance(by: .seconds(17 * 86_400))
            #expect(try await addons().count == 1)
            clock.advance(by: .seconds(86_400))
            #expect(try await addons().isEmpty)
        }
    }

    @Test("a plan that writes reactivate is listed once")
    func reactivated() async throws {
        try await with { caller in
            let account = caller.account(45)
            let subscribe = #"{"type":"webinar500_monthly","hosts":2}"#
            for _ in 0..<3 {
                try accept(try await caller.write("POST", account, "/plans/addons", subscribe), 201)
                let webinars = try await caller.plans(account)["plan_webinar"]?.array
                #expect(webinars?.count == 1 && webinars?.first?.object?["status"] == .string("active"))
                try accept(
                    try await caller.write(
                        "PATCH", account, "/plans/addons/status", #"{"type":"webinar500_monthly"}"#))
            }
        }
    }

    @Test("Zoom Phone is subscribed with its details, and cancelled as a whole")
    func phone() async throws {
        try await with { caller in
            let account = caller.account(45)
            let details = """
                {"type":"plan_phone","plan_details":{"plan_base":{"type":"zp_payg","callout_countries":"US"},
                "plan_calling":[{"type":"zobp_usca_monthly_unlimited","hosts":4}],
                "plan_number":[{"type":"zp_number_monthly","hosts":2}]}}
                """
            try accept(try await caller.write("POST", account, "/plans/addons", details), 201)
            try accept(
                try await caller.write(
                    "PUT", account, "/plans/addons", #"{"type":"zobp_usca_monthly_unlimited","hosts":6}"#))
            let phone = try #require(try await caller.plans(account)["plan_phone"]?.object)
            #expect(phone["plan_base"]?.object?["callout_countries"] == .string("US"))
            #expect(phone["plan_calling"]?.array?.first?.object?["hosts"] == .number("6"))
            #expect(phone["plan_number"]?.array?.first?.object?["hosts"] == .number("2"))
            try accept(
                try await caller.write("PATCH", account, "/plans/addons/status", #"{"type":"plan_phone"}"#))
            let cancelled = try #require(try await caller.plans(account)["plan_phone"]?.object)
            let plans = cancelled.members.flatMap { $0.value.array ?? [$0.value] }.compactMap(\.object)
            #expect(plans.count == 3 && plans.allSatisfy { $0["status"] == .string("cancelled") })
        }
    }

    @Test("later invoices follow the changed plans, earlier ones stay as they were")
    func invoices() async throws {
        try await with { caller in
            let account = caller.account(45)
            let before = try await caller.invoices(of: account)
            try accept(
                try await caller.write("PUT", account, "/plans/base", #"{"type":"business_monthly","hosts":30}"#))
            #expect(try await caller.invoices(of: account) == before)
            clock.advance(by: .seconds(40 * 86_400))
            let later = try await caller.invoices(of: account, from: "2026-02-01", to: "2026-03-10")
            let invoice = try #require(later.first?["id"]?.string)
            let details = try await caller.get("\(caller.invoicesPath(account))/\(invoice)").json
            let items = try #require(details["invoice_items"]?.array).compactMap(\.object)
            #expect(items.map { $0["quantity"] } == [.number("30")])
            #expect(items.first?["charge_name"] == .string("business_monthly"))
        }
    }

    @Test("an account whose base plan ended is free, and can subscribe again")
    func ended() async throws {
        try await with { caller in
            let account = caller.account(45)
            try accept(try await caller.write("PATCH", account, "/plans/base/status", #"{"action":"cancel"}"#))
            #expect(
                try await caller.plans(account)["plan_base"]?.object?["status"] == .string("cancelled"))
            clock.advance(by: .seconds(18 * 86_400))
            #expect(try await caller.plans(account).members.isEmpty)
            let usage = try await caller.get("/v2/accounts/\(account)/plans/usage")
            #expect(usage.json["message"] == .string("Only available for paid account."))
            let order = #"{"plan_base":{"type":"monthly","hosts":3}}"#
            try accept(try await caller.write("POST", account, "/plans", order), 201)
            #expect(try await caller.plans(account)["plan_base"]?.object?["hosts"] == .number("3"))
            let invoices = try await caller.invoices(of: account, from: "2026-02-01", to: "2026-02-28")
            #expect(invoices.map { $0["invoice_date"] } == [.string("2026-02-18")])
        }
    }

    @Test("a write leaves the other plans of an account unchanged", arguments: [1, 13, 14, 25, 20, 69, 162])
    func others(number: Int) async throws {
        try await with { caller in
            let account = caller.account(number)
            let before = try await caller.plans(account)
            let usage = try await caller.plans(account, "/usage")
            let base = try #require(before["plan_base"]?.object)
            let code = try #require(base["type"]?.string)
            let hosts = try #require(base["hosts"]?.integer)
            try accept(
                try await caller.write("PUT", account, "/plans/base", #"{"type":"\#(code)","hosts":\#(hosts + 1)}"#))
            let after = try await caller.plans(account)
            #expect(after["plan_base"]?.object?["hosts"] == .number("\(hosts + 1)"))
            #expect(after.members.filter { $0.name != "plan_base" } == before.members.filter { $0.name != "plan_base" })
            let usageAfter = try await caller.plans(account, "/usage")
            #expect(
                usageAfter.members.filter { $0.name != "plan_base" } == usage.members.filter { $0.name != "plan_base" })
            #expect(usageAfter["plan_base"]?.object?["usage"] == usage["plan_base"]?.object?["usage"])
        }
    }

    @Test("concurrent writes of one account take effect one after the other, in the order of the journal")
    func concurrent() async throws {
        try await with { caller in
            let account = caller.account(0)
            let authorization = try await caller.authorization()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        try await caller.write(
                            "PATCH", account, "/billing", #"{"city":"City \#(number)"}"#, authorization: authorization
                        ).status
                    }
                }
                for try await status in group { #expect(status == 204) }
            }
            let writes = caller.sandbox.writes(of: account)
            #expect(writes.map(\.sequence) == Array(1...50) && writes.allSatisfy { $0.effect == .applied })
            let last = try #require(try JSONValue(parsing: writes[49].body).object)
            #expect(try await caller.billing(account)["city"] == last["city"])
        }
    }
}
