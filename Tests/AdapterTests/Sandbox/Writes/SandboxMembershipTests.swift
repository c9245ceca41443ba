import Adapters
import Domain
import DomainFakes
import NIOCore
import Testing

/// Accounts that are created and disassociated.
@Suite("Sandbox accounts created and disassociated", .timeLimit(.minutes(10)))
struct SandboxMembershipTests {
    private static func body(_ email: String, _ more: String = "") -> String {
        #"{"first_name":"New","last_name":"Owner","email":"\#(email)","password":"example-1"\#(more)}"#
    }

    private func create(_ caller: SandboxCaller, _ body: String) async throws -> ClientResponse {
        try await caller.exchange(
            "POST", "/v2/accounts", authorization: caller.authorization(), body: body, contentType: "application/json")
    }

    private func disassociate(_ caller: SandboxCaller, _ account: String) async throws -> ClientResponse {
        try await caller.exchange("DELETE", "/v2/accounts/\(account)", authorization: caller.authorization())
    }

    /// The ids and the total of the account list, in pages of 7.
    private func list(_ caller: SandboxCaller, _ query: String = "") async throws -> (
        ids: [String], totals: Set<String>
    ) {
        var (ids, totals, token) = ([String](), Set<String>(), "")
        repeat {
            let page = try await caller.get("/v2/accounts?page_size=7&next_page_token=\(token)\(query)").json
            let accounts = try #require(page["accounts"]?.array)
            ids += accounts.compactMap { $0.object?["id"]?.string }
            if case .number(let total)? = page["total_records"] { totals.insert(total) }
            token = try #require(page["next_page_token"]?.string)
            #expect(accounts.count == 7 || token.isEmpty)
        } while !token.isEmpty
        return (ids, totals)
    }

    @Test("a created account is free, is on the list, and has the contact of its owner")
    func created() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 30)) { caller in
            let answer = try await create(caller, Self.body("owner@example.com", #","account_name":"Harbour Works""#))
            let json = try #require(answer.json)
            #expect(
                answer.status == 201
                    && Set(json.members.map(\.name)) == ["id", "owner_id", "owner_email", "created_at"])
            #expect(json["created_at"] == .string("2026-01-31T09:00:00Z"))
            let id = try #require(json["id"]?.string)
            let (ids, totals) = try await list(caller)
            #expect(ids == (0..<30).map(caller.account) + [id] && totals == ["31"])
            let contact = try await caller.billing(id)
            #expect(contact["first_name"] == .string("New") && contact["email"] == .string("owner@example.com"))
            let last = try await caller.get("/v2/accounts?page_size=1&page_number=31").json["accounts"]?.array?.first
            #expect(last?.object?["account_name"] == .string("Harbour Works"))
            #expect(last?.object?["account_type"] == .string("Basic"))
            let details = try await caller.get("/v2/accounts/\(id)").json
            #expect(details["owner_email"] == .string("owner@example.com") && details["owner_id"] == json["owner_id"])
            #expect(try await caller.get("/v2/accounts/\(id)/plans/usage").json["code"] == .number("200"))

            // It can subscribe plans, and has no invoice from before.
            let subscribed = try await caller.write(
                "POST", id, "/plans", #"{"plan_base":{"type":"business_monthly","hosts":12}}"#)
            #expect(subscribed.status == 201)
            #expect(try await caller.invoices(of: id).count == 1)
            #expect(try await disassociate(caller, id).status == 404)
        }
    }

    @Test("a created account can pay for itself")
    func selfPay() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 30)) { caller in
            let answer = try await create(caller, Self.body("owner@example.com", #","options":{"pay_mode":"sub"}"#))
            let id = try #require(answer.json?["id"]?.string)
            #expect(try await caller.billing(id)["code"] == .number("2100"))
            #expect(try await list(caller).totals == ["31"])
        }
    }

    @Test("a disassociated account does not exist, and pages and totals are without it")
    func disassociated() async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 40)) { caller in
            let first = try #require(try await create(caller, Self.body("a@example.com")).json?["id"]?.string)
            let second = try #require(try await create(caller, Self.body("b@example.com")).json?["id"]?.string)
            for id in [caller.account(33), first] {
                let answer = try await disassociate(caller, id)
                #expect(answer.status == 204 && answer.body.readableBytes == 0)
                #expect(try await caller.billing(id)["message"] == .string("Account does not exist: \(id)."))
                #expect(try await disassociate(caller, id).status == 404)
            }
            let (ids, totals) = try await list(caller)
            #expect(ids == (0..<40).filter { $0 != 33 }.map(caller.account) + [second] && totals == ["40"])
            let reseller = try await list(caller, "&sub_reseller_id=reseller-3")
            #expect(reseller.ids == [3, 13, 23].map(caller.account) && reseller.totals == ["3"])
            // The email is free again; the account has another id.
            let third = try #require(try await create(caller, Self.body("a@example.com")).json?["id"]?.string)
            #expect(third != first && third != second)
            #expect(
                try await caller.journal().map { [$0["operation"]?.string, $0["effect"]?.string] } == [
                    ["create-account", "applied"], ["create-account", "applied"], ["disassociate-account", "applied"],
                    ["disassociate-account", "refused"], ["disassociate-account", "applied"],
                    ["disassociate-account", "refused"], ["create-account", "applied"],
                ])
        }
    }

    @Test("a paid account is disassociated after its plans have ended")
    func paid() async throws {
        let clock = TestClock()
        try await SandboxCaller.with(SandboxConfiguration(apps: [TestZoom.app], accounts: 60), clock) { caller in
            let id = caller.account(45)
            let refused = try await disassociate(caller, id)
            #expect(refused.status == 404 && refused.json?["code"] == .number("2000"))
            #expect(refused.json?["message"] == .string("You cannot disassociate a paid account."))
            #expect(try await caller.write("PATCH", id, "/plans/base/status", #"{"action":"cancel"}"#).status == 204)
            #expect(try await disassociate(caller, id).status == 404)
            clock.advance(by: .seconds(32 * 86_400))
            #expect(try await disassociate(caller, id).status == 204)
        }
    }

    @Test(
        "a creation without a member, with an invalid email or pay mode, or with a used email is refused",
        arguments: [
            (#"{"last_name":"M","email":"a@b","password":"p"}"#, 400, "Missing field: first_name."),
            (#"{"first_name":"A","last_name":"M","email":"a@b"}"#, 400, "Missing field: password."),
            (body("nobody"), 400, "Validation Failed."),
            (body("a@b", #","options":{"pay_mode":"x"}"#), 400, #"Invalid parameter "pay_mode"."#),
            (body("owner-3@example.com"), 409, "Email owner-3@example.com has already been used."),
            (body("used@example.com"), 409, "Email used@example.com has already been used."),
            ("[]", 400, "Request Body should be a valid JSON object."),
        ])
    func refused(body: String, status: Int, message: String) async throws {
        try await SandboxCaller.with { caller in
            #expect(try await create(caller, Self.body("used@example.com")).status == 201)
            let answer = try await create(caller, body)
            #expect(answer.status == status && answer.json?["message"] == .string(message))
            #expect(try await list(caller).totals == ["201"])
        }
    }
}
