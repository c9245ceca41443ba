import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Sandbox sub accounts", .timeLimit(.minutes(10)))
struct SandboxSubAccountTests {
    private func ids(_ page: JSONObject) -> [String] {
        (page["accounts"]?.array ?? []).compactMap { $0.object?["id"]?.string }
    }

    @Test("a list has 30 accounts a page unless the request sets the size, and at most 300")
    func size() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 400)) { caller in
            for (query, count) in [("", 30), ("?page_size=7", 7), ("?page_size=301", 300), ("?page_size=0", 1)] {
                let page = try await caller.get("/v2/accounts\(query)").json
                #expect(ids(page).count == count && page["page_size"] == .number("\(count)"))
            }
        }
    }

    @Test("a page number selects a page, until the last")
    func number() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 25)) { caller in
            let third = try await caller.get("/v2/accounts?page_size=10&page_number=3").json
            #expect(ids(third) == (20..<25).map(caller.account) && third["page_count"] == .number("3"))
            #expect(third["page_number"] == .number("3") && third["next_page_token"] == .string(""))
            #expect(ids(try await caller.get("/v2/accounts?page_size=10&page_number=4").json) == [])
        }
    }

    @Test("a reseller has one account in ten, in pages")
    func reseller() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 64)) { caller in
            let first = try await caller.get("/v2/accounts?page_size=4&sub_reseller_id=reseller-3").json
            #expect(ids(first) == [3, 13, 23, 33].map(caller.account) && first["total_records"] == .number("7"))
            let token = try #require(first["next_page_token"]?.string)
            let rest = "/v2/accounts?page_size=4&next_page_token=\(token)"
            let second = try await caller.get(rest + "&sub_reseller_id=reseller-3").json
            #expect(ids(second) == [43, 53, 63].map(caller.account) && second["next_page_token"] == .string(""))
            #expect(try await caller.get(rest).status == 400)
            let none = try await caller.get("/v2/accounts?sub_reseller_id=reseller-6").json
            #expect(ids(none) == [] && none["total_records"] == .number("0"))
        }
    }

    @Test(
        "parameters that are not numbers and tokens of another list are refused",
        arguments: [
            ("page_size=x", "page_size"), ("page_number=0", "page_number"), ("page_number=1.5", "page_number"),
            ("next_page_token=x", "next_page_token"),
        ])
    func invalid(query: String, name: String) async throws {
        try await SandboxCaller.with { caller in
            let answer = try await caller.get("/v2/accounts?\(query)")
            #expect(answer.status == 400 && answer.json["code"] == .number("300"))
            #expect(answer.json["message"] == .string("Invalid parameter \"\(name)\"."))
        }
    }

    @Test("the details of an account have its pay mode, or have no options or no pay mode")
    func details() async throws {
        try await SandboxCaller.with { caller in
            func options(_ number: Int) async throws -> JSONObject? {
                try await caller.get("/v2/accounts/\(caller.account(number))").json["options"]?.object
            }
            #expect(try await options(0)?["pay_mode"] == .string("master"))
            #expect(try await options(42)?["pay_mode"] == .string("sub"))
            #expect(try await options(7) == nil)
            let without = try #require(try await options(17))
            #expect(without["pay_mode"] == nil && without["billing_auto_renew"] == .bool(true))
        }
    }
}
