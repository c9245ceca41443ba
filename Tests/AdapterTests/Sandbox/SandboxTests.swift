import Adapters
import Domain
import DomainFakes
import FoundationEssentials
import Testing

@Suite("Sandbox", .timeLimit(.minutes(10)))
struct SandboxTests {
    private let clock = TestClock()

    private func with(
        app: SandboxConfiguration.App = TestZoom.app, limits: SandboxConfiguration.Limits = .none,
        accounts: Int = 200, _ test: (SandboxCaller) async throws -> Void
    ) async throws {
        try await SandboxCaller.with(
            SandboxConfiguration(apps: [app], accounts: accounts, limits: limits), clock, test)
    }

    @Test("a parameter repeated in the body, the query or both is refused")
    func repeatedParameters() async throws {
        try await with { caller in
            let body = "grant_type=account_credentials&account_id=master"
            #expect(try await caller.token(body: body).status == 200)
            #expect(try await caller.token(body: body + "&account_id=other").status == 400)
            let basic = Data("test-client:test-secret".utf8).base64EncodedString()
            let both = try await caller.send(
                "POST", "/oauth/token?account_id=other", authorization: "basic   \(basic)", body: body)
            #expect(both.status == 400)
            #expect(try await caller.get("/v2/accounts?page_size=10&page_size=20").status == 400)
        }
    }

    @Test("valid credentials get a token, with parameters in the body or the query")
    func token() async throws {
        try await with { caller in
            let answer = try await caller.token()
            #expect(answer.status == 200)
            #expect(answer.json["token_type"] == .string("bearer") && answer.json["expires_in"] == .number("3600"))
            #expect(answer.json["scope"] == .string("account:master billing:master"))
            let basic = Data("test-client:test-secret".utf8).base64EncodedString()
            let query = try await caller.send(
                "POST", "/oauth/token?grant_type=account_credentials&account_id=master", authorization: "Basic \(basic)"
            )
            #expect(query.status == 200)
        }
    }

    @Test(
        "invalid credentials are refused with Zoom's error codes",
        arguments: [
            ("test-client:wrong", "grant_type=account_credentials&account_id=master", "invalid_client"),
            ("other:test-secret", "grant_type=account_credentials&account_id=master", "invalid_client"),
            ("test-client:test-secret", "grant_type=password", "unsupported_grant_type"),
            ("test-client:test-secret", "grant_type=account_credentials&account_id=other", "invalid_request"),
            ("test-client:test-secret", "grant_type=account_credentials", "invalid_request"),
        ])
    func tokenRefused(client: String, body: String, error: String) async throws {
        try await with { caller in
            let answer = try await caller.token(client, body: body)
            #expect(answer.status == 400)
            #expect(answer.json["error"] == .string(error) && answer.json["reason"]?.string != nil)
        }
    }

    @Test("billing information depends on the account: master pays, self pay or unknown")
    func billing() async throws {
        try await with { caller in
            let accounts = caller.sandbox.accounts
            let paid = try await caller.get("/v2/accounts/\(accounts.id(of: 0))/billing")
            #expect(paid.status == 200)
            #expect(
                Set(paid.json.members.map(\.name)) == [
                    "address", "apt", "city", "country", "email", "first_name", "last_name", "phone_number", "state",
                    "zip",
                ])
            let selfPay = try await caller.get("/v2/accounts/\(accounts.id(of: 42))/billing")
            #expect(selfPay.status == 400 && selfPay.json["code"] == .number("2100"))
            #expect(selfPay.json["message"] == .string("This sub account is on self pay mode."))
            for id in ["nobody", accounts.id(of: 200), String(accounts.id(of: 0).reversed())] {
                let unknown = try await caller.get("/v2/accounts/\(id)/billing")
                #expect(unknown.status == 404 && unknown.json["code"] == .number("2001"))
                #expect(unknown.json["message"] == .string("Account does not exist: \(id)."))
            }
        }
    }

    @Test(
        "a request matches an operation by its method and the segments of its path",
        arguments: [
            ("GET", "/v2/accounts", 401), ("GET", "/v2/accounts/a", 401), ("GET", "/v2/accounts/a/billing", 401),
            ("GET", "/v2/accounts/a/billing/invoices", 401), ("GET", "/v2/accounts/a/plans/usage", 401),
            ("POST", "/oauth/token", 400), ("GET", "/oauth/token", 404), ("PATCH", "/v2/accounts/a/billing", 401),
            ("POST", "/v2/accounts/a/plans", 401),
            ("POST", "/v2/accounts/a/plans/addons", 401), ("PUT", "/v2/accounts/a/plans/addons", 401),
            ("PATCH", "/v2/accounts/a/plans/addons/status", 401), ("PUT", "/v2/accounts/a/plans/base", 401),
            ("PATCH", "/v2/accounts/a/plans/base/status", 401), ("POST", "/v2/accounts/a/billing", 404),
            ("DELETE", "/v2/accounts/a/plans/base", 404),
            ("DELETE", "/v2/accounts/a", 401), ("POST", "/v2/accounts", 401), ("POST", "/v2/accounts/a", 404),
            ("GET", "/v2/accounts/a/plans", 401), ("GET", "/v2/accountsa", 404),
            ("GET", "/v2/accounts/a/billing/invoices/i", 401), ("GET", "/v2/billing/invoices/i/download", 401),
            ("GET", "/v2/api/download/billing/invoices/i", 401), ("GET", "/v2/billing/invoices/i", 404),
            ("GET", "/v2/accounts/a/billing/", 404), ("GET", "/", 404),
        ])
    func routing(method: String, target: String, status: Int) async throws {
        try await with { caller in
            let answer = try await caller.send(method, target)
            #expect(answer.status == status)
        }
    }

    @Test("an invalid or expired token is answered 401")
    func tokens() async throws {
        try await with { caller in
            for authorization in [nil, "Bearer x", "Basic x", "Bearer"] {
                let answer = try await caller.send("GET", "/v2/accounts", authorization: authorization)
                #expect(answer.status == 401 && answer.json["code"] == .number("124"))
            }
            let token = try #require(try await caller.token().json["access_token"]?.string)
            clock.advance(by: .seconds(3601))
            let expired = try await caller.send("GET", "/v2/accounts", authorization: "Bearer \(token)")
            #expect(expired.status == 401 && expired.json["message"] == .string("Access token is expired."))
        }
    }

    @Test("the account list has pages, and page tokens expire after 15 minutes")
    func list() async throws {
        try await with(accounts: 650) { caller in
            var found: [String] = []
            var target = "/v2/accounts?page_size=300"
            var lastToken = ""
            repeat {
                let page = try await caller.get(target)
                #expect(page.json["total_records"] == .number("650"))
                found += try #require(page.json["accounts"]?.array).compactMap { $0.object?["id"]?.string }
                lastToken = try #require(page.json["next_page_token"]?.string)
                target = "/v2/accounts?page_size=300&next_page_token=\(lastToken)"
            } while !lastToken.isEmpty
            #expect(Set(found) == Set((0..<650).map { caller.sandbox.accounts.id(of: $0) }))
            #expect(found.count == 650 && found != found.sorted())

            let first = try await caller.get("/v2/accounts")
            let token = try #require(first.json["next_page_token"]?.string)
            clock.advance(by: .seconds(15 * 60 + 1))
            let stale = try await caller.get("/v2/accounts?next_page_token=\(token)")
            #expect(stale.status == 400 && stale.json["code"] == .number("300"))
        }
    }

    @Test(
        "the per-second rate limit of each plan applies",
        arguments: [(SandboxConfiguration.Limits.free, 2), (.pro, 20), (.business, 60)])
    func limits(plan: SandboxConfiguration.Limits, perSecond: Int) async throws {
        try await with(limits: plan) { caller in
            for _ in 0..<perSecond {
                #expect(try await caller.get("/v2/accounts").status == 200)
            }
            let refused = try await caller.get("/v2/accounts")
            #expect(refused.status == 429 && refused.json["code"] == .number("429"))
            #expect(refused.response.fields.string(FieldName("x-ratelimit-category")) == "Medium")
            #expect(refused.response.fields.string(FieldName("x-ratelimit-type")) == "QPS")
            clock.advance(by: .seconds(1))
            #expect(try await caller.get("/v2/accounts").status == 200)
        }
    }

    @Test("the daily rate limit applies, and Retry-After is the next day")
    func dailyLimit() async throws {
        try await with(limits: .free) { caller in
            let token = try #require(try await caller.token().json["access_token"]?.string)
            for _ in 0..<1000 {
                for _ in 0..<2 {
                    let answer = try await caller.send(
                        "GET", "/v2/accounts?page_size=1", authorization: "Bearer \(token)")
                    #expect(answer.status == 200)
                }
                clock.advance(by: .seconds(1))
            }
            let refused = try await caller.send("GET", "/v2/accounts", authorization: "Bearer \(token)")
            #expect(refused.status == 429)
            #expect(refused.response.fields.string(.retryAfter) == "2026-02-01T00:00:00Z")
        }
    }
}
