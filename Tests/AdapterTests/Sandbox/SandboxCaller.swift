import Adapters
import Domain
import DomainFakes
import FoundationEssentials
import NIOCore
import NIOPosix
import Testing

/// A client written from Zoom's documentation. It shares no code with the Zoom client, so both cannot share a mistake.
struct SandboxCaller {
    let http: HTTPClient
    let server: HTTPServer
    let sandbox: SandboxZoom

    /// Starts a sandbox for one test.
    static func with(
        _ configuration: SandboxConfiguration = SandboxConfiguration(apps: [TestZoom.app], accounts: 200),
        _ clock: any TimeSource = TestClock(), _ test: (SandboxCaller) async throws -> Void
    ) async throws {
        let sandbox = SandboxZoom(configuration: configuration, time: clock)
        try await withServer(sandbox) { server in
            let http = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            try await test(SandboxCaller(http: http, server: server, sandbox: sandbox))
            await http.close()
        }
    }

    func exchange(
        _ method: String, _ target: String, authorization: String? = nil, body: String = "", contentType: String? = nil
    ) async throws -> ClientResponse {
        var request = ClientRequest(
            method: method, scheme: "http", authority: "localhost", target: target, body: ByteBuffer(string: body))
        if let authorization { request.fields.append(.authorization, authorization) }
        if let contentType { request.fields.append(.contentType, contentType) }
        return try await http.exchange(request, bodyBytesMax: 10_000_000, timeout: .minutes(5))
    }

    func send(
        _ method: String, _ target: String, authorization: String? = nil, body: String = ""
    ) async throws -> (status: Int, json: JSONObject, response: ClientResponse) {
        let response = try await exchange(method, target, authorization: authorization, body: body)
        return (response.status, try #require(response.json), response)
    }

    func token(
        _ client: String = "test-client:test-secret",
        body: String = "grant_type=account_credentials&account_id=master"
    ) async throws -> (status: Int, json: JSONObject, response: ClientResponse) {
        let basic = Data(client.utf8).base64EncodedString()
        return try await send("POST", "/oauth/token", authorization: "Basic \(basic)", body: body)
    }

    /// The value of `Authorization` with a new token.
    func authorization() async throws -> String {
        "Bearer \(try #require(try await token().json["access_token"]?.string))"
    }

    /// A GET with a valid token.
    func get(_ target: String) async throws -> (status: Int, json: JSONObject, response: ClientResponse) {
        try await send("GET", target, authorization: authorization())
    }

    /// A GET of a file with a valid token.
    func getFile(_ target: String) async throws -> ClientResponse {
        try await exchange("GET", target, authorization: authorization())
    }

    // MARK: Writes

    /// Sends a write with a JSON body.
    ///
    /// - Parameters:
    ///   - path: After the account id, such as `/plans/base`.
    ///   - authorization: `nil` for a new token.
    func write(
        _ method: String, _ account: String, _ path: String, _ body: String, authorization: String? = nil
    ) async throws -> ClientResponse {
        let authorization = if let authorization { authorization } else { try await self.authorization() }
        return try await exchange(
            method, "/v2/accounts/\(account)\(path)", authorization: authorization, body: body,
            contentType: "application/json")
    }

    func plans(_ account: String, _ path: String = "") async throws -> JSONObject {
        try await get("/v2/accounts/\(account)/plans\(path)").json
    }

    func billing(_ account: String) async throws -> JSONObject {
        try await get("/v2/accounts/\(account)/billing").json
    }

    /// The id of an account of a kind, as `GET /sandbox/accounts` names it.
    func account(kind: String) async throws -> String {
        try #require(try await send("GET", "/sandbox/accounts").json[kind]?.string)
    }

    func set(_ mode: SandboxAccountMode, of account: String) async throws {
        let body = #"{"account_id":"\#(account)","mode":"\#(mode.rawValue)"}"#
        let answer = try await exchange("POST", "/sandbox/account", body: body)
        try #require(answer.status == 204)
    }

    /// The journal of writes, from `GET /sandbox/writes`.
    func journal(_ query: String = "") async throws -> [JSONObject] {
        let answer = try await exchange("GET", "/sandbox/writes\(query)")
        try #require(answer.status == 200)
        return try String(buffer: answer.body).split(separator: "\n").map { line in
            try #require(try JSONValue(parsing: Array(line.utf8)).object)
        }
    }

    // MARK: Accounts and invoices

    func account(_ number: Int) -> String { sandbox.accounts.id(of: number) }

    /// The path of the invoices of an account.
    func invoicesPath(_ account: String) -> String { "/v2/accounts/\(account)/billing/invoices" }

    /// The invoices of an account, by default of the year before the clock of `TestClock`.
    func invoices(
        of account: String, from: String = "2025-01-31", to: String = "2026-01-31"
    ) async throws -> [JSONObject] {
        let list = try await get("\(invoicesPath(account))?from=\(from)&to=\(to)")
        try #require(list.status == 200)
        return try #require(list.json["invoices"]?.array).compactMap(\.object)
    }

    /// The id of an invoice of an account.
    func invoice(of account: String) async throws -> String {
        try #require(try await invoices(of: account).first?["id"]?.string)
    }
}
