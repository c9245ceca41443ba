import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Sandbox errors", .timeLimit(.minutes(10)))
struct SandboxErrorTests {
    /// An error of the table in `docs/sandbox.md`, and a request that has it as its response.
    struct Case: CustomTestStringConvertible, Sendable {
        let status: Int
        let code: Int
        let message: String
        /// After `/v2`; `{kind}` is an account of this kind.
        let path: String
        var app = TestZoom.app
        var authorization: String?
        var testDescription: String { "\(status) \(code) \(path)" }
    }

    private static func app(
        _ account: SandboxConfiguration.App.Account = .paidMaster, scopes: [String] = ["unrelated"]
    ) -> SandboxConfiguration.App {
        var app = TestZoom.app
        app.account = account
        if account == .paidMaster { app.scopes = scopes }
        return app
    }

    private static let range = "?from=2025-06-01&to=2026-01-31"
    private static let onlyPaid = "Only available for paid account."

    static let cases: [Case] =
        [
            "/accounts/{self-pay}/billing", "/accounts/{self-pay}/plans", "/accounts/{self-pay}/plans/usage",
            "/accounts/{self-pay}/billing/invoices\(range)", "/accounts/{self-pay}/billing/invoices/x",
        ].map { Case(status: 400, code: 2100, message: "This sub account is on self pay mode.", path: $0) }
        + [
            "", "/billing", "/plans", "/plans/usage", "/billing/invoices\(range)", "/billing/invoices/x",
        ].map {
            Case(status: 404, code: 2001, message: "Account does not exist: nobody.", path: "/accounts/nobody\($0)")
        }
        + ["/plans/usage", "/billing/invoices\(range)", "/billing/invoices/x"].flatMap { path in
            [("free", 400), ("free-200", 200)].map { kind, status in
                Case(status: status, code: 200, message: onlyPaid, path: "/accounts/{\(kind)}\(path)")
            }
        }
        + [
            Case(status: 400, code: 200, message: onlyPaid, path: "/accounts", app: app(.freeMaster)),
            Case(status: 400, code: 200, message: "No permission.", path: "/accounts", app: app(.ordinary)),
            Case(
                status: 404, code: 404, message: "Invoice does not exist: x.", path: "/billing/invoices/x/download"),
            Case(
                status: 404, code: 404, message: "Invoice does not exist: x.", path: "/api/download/billing/invoices/x"),
            Case(
                status: 404, code: 404, message: "Invoice does not exist: x.",
                path: "/accounts/{plans-base}/billing/invoices/x"),
            Case(
                status: 401, code: 124, message: "Invalid access token.", path: "/accounts", authorization: "Bearer x"),
        ]
        + [
            ("/accounts", "account:master, account:read:admin, account:read:list_sub_accounts:master"),
            (
                "/accounts/{plans-base}",
                "account:master, account:read:sub_account:master, account:read:sub_account:admin"
            ),
            (
                "/accounts/{plans-base}/billing",
                "billing:master, billing_plan:master, billing:read:billing_information:master, "
                    + "billing:read:billing_information:admin"
            ),
            (
                "/accounts/{plans-base}/plans",
                "billing:master, billing:read:plan_information:master, billing:read:plan_information:admin"
            ),
            (
                "/accounts/{plans-base}/plans/usage",
                "billing:master, account:master, account:read:admin, billing:read:plan_usage:master, "
                    + "billing:read:plan_usage:admin"
            ),
            (
                "/accounts/{plans-base}/billing/invoices\(range)",
                "billing:master, billing:read:list_invoices:master, billing:read:list_invoices:admin"
            ),
            (
                "/accounts/{plans-base}/billing/invoices/x",
                "billing:master, billing:read:invoice_details:master, billing:read:invoice_details:admin"
            ),
            ("/billing/invoices/x/download", "billing:master, billing:read:download_invoice_file:master"),
        ].map { path, scopes in
            Case(
                status: 400, code: 4711, message: "Invalid access token, does not contain scopes:[\(scopes)].",
                path: path, app: app())
        }

    @Test("each error has Zoom's status, code and text", arguments: cases)
    func error(of testCase: Case) async throws {
        try await SandboxCaller.with(SandboxConfiguration(apps: [testCase.app], accounts: 200)) { caller in
            var path = testCase.path
            if let kind = path.firstMatch(of: /\{([a-z0-9-]+)\}/) {
                let accounts = try await caller.send("GET", "/sandbox/accounts").json
                path.replaceSubrange(kind.range, with: try #require(accounts[String(kind.output.1)]?.string))
            }
            let token = try #require(try await caller.token().json["access_token"]?.string)
            let answer = try await caller.send(
                "GET", "/v2\(path)", authorization: testCase.authorization ?? "Bearer \(token)")
            #expect(answer.status == testCase.status)
            #expect(answer.json["code"] == .number("\(testCase.code)"))
            #expect(answer.json["message"] == .string(testCase.message))
        }
    }

    @Test("docs/sandbox.md has a row for each error")
    func page() throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "docs/sandbox.md"), encoding: .utf8)
        for testCase in Self.cases {
            let message =
                testCase.message.replacing("nobody", with: "{accountId}").replacing(": x.", with: ": {invoiceId}.")
                .replacing(/\[.*\]/, with: "[{scopes}]")
            #expect(
                text.contains("| \(testCase.status) | \(testCase.code) | `\(message)` |"),
                "\(testCase.status) \(message)")
        }
    }

    @Test("a fault of kind status has any status, code and text as its response")
    func anyError() async throws {
        var fault = SandboxFault(.status, operation: .getPlanInformation)
        fault.status = 401
        fault.code = 4741
        fault.message = "The token has been revoked."
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200)
        configuration.faults = [fault]
        try await SandboxCaller.with(configuration) { caller in
            let answer = try await caller.get("/v2/accounts/\(caller.account(0))/plans")
            #expect(answer.status == 401 && answer.json["code"] == .number("4741"))
            #expect(answer.json["message"] == .string("The token has been revoked."))
        }
    }

    @Test("a change of the app's scopes applies to later tokens")
    func scopes() async throws {
        try await SandboxCaller.with { caller in
            let older = try await caller.authorization()
            let change = #"{"client_id": "test-client", "scopes": ["account:read:list_sub_accounts:master"]}"#
            #expect(try await caller.exchange("POST", "/sandbox/app", body: change).status == 204)
            let path = "/v2/accounts/\(caller.account(0))/plans"
            #expect(try await caller.send("GET", path, authorization: older).status == 200)
            #expect(try await caller.get(path).json["code"] == .number("4711"))
            #expect(try await caller.get("/v2/accounts").status == 200)
            let ordinary = #"{"client_id": "test-client", "account": "ordinary"}"#
            #expect(try await caller.exchange("POST", "/sandbox/app", body: ordinary).status == 204)
            #expect(try await caller.get("/v2/accounts").json["message"] == .string("No permission."))
            for wrong in ["{}", #"{"client_id": "x"}"#, #"{"client_id": "test-client", "scopes": [1]}"#] {
                #expect(try await caller.exchange("POST", "/sandbox/app", body: wrong).status == 400)
            }
        }
    }
}
