import Adapters
import Foundation
import Testing

/// A sandbox in a separate process, which keeps its accounts when a service restarts.
struct SeparateSandbox {
    let process: TestProcess
    let base: String
    private let credentials: String
    private let folder: String
    private let authorization: String

    static func with(accounts: Int, _ test: (SeparateSandbox) async throws -> Void) async throws {
        try await withTemporaryFolder { folder async throws in
            let credentials = folder + "/credentials.json"
            let process = TestProcess(
                TestProcess.billingService,
                [
                    "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", credentials, "--sandbox-accounts",
                    "\(accounts)",
                ])
            let output = try await process.output(containing: "Listening on ")
            let base = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let digest = await tokenDigest("my-token")
            try write(
                #"{"callers":[{"name":"job","token_sha256":"\#(digest)","scopes":["billing:export"]}]}"#,
                to: folder + "/callers.json")
            let app = try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: credentials))))
            func member(_ name: String) throws -> String {
                try #require((app.object?["masters"]?.array?.first ?? app).object?[name]?.string)
            }
            let token = await TestProcess.run(
                "curl",
                [
                    "-sf", "-u", "\(try member("client_id")):\(try member("client_secret"))", "-d",
                    "grant_type=account_credentials&account_id=\(try member("account_id"))", base + "/oauth/token",
                ])
            let authorization = try #require(
                try JSONValue(parsing: Array(token.output.utf8)).object?["access_token"]?.string)
            try await test(
                SeparateSandbox(
                    process: process, base: base, credentials: credentials, folder: folder,
                    authorization: "authorization: Bearer \(authorization)"))
            process.signal(SIGTERM)
            #expect(await process.outcome().status == 0)
        }
    }

    // MARK: Accounts

    private func call(_ method: String, _ path: String, _ body: String) async throws -> JSONObject? {
        let outcome = await TestProcess.run(
            "curl",
            [
                "-sf", "-X", method, "-H", authorization, "-H", "content-type: application/json", "-d", body,
                base + path,
            ])
        try #require(outcome.status == 0, "\(method) \(path)")
        return outcome.output.isEmpty ? nil : try JSONValue(parsing: Array(outcome.output.utf8)).object
    }

    /// The id of an account of a kind.
    func account(kind: String) async throws -> String {
        try #require(try await call("GET", "/sandbox/accounts", "")?[kind]?.string)
    }

    func create(_ email: String) async throws -> String {
        let body = #"{"first_name":"New","last_name":"Owner","email":"\#(email)","password":"example-1"}"#
        return try #require(try await call("POST", "/v2/accounts", body)?["id"]?.string)
    }

    func disassociate(_ account: String) async throws {
        _ = try await call("DELETE", "/v2/accounts/\(account)", "")
    }

    func set(city: String, of account: String) async throws {
        _ = try await call("PATCH", "/v2/accounts/\(account)/billing", #"{"city":"\#(city)"}"#)
    }

    // MARK: Services

    /// Starts a service with a state file for this sandbox, and ends it with a signal.
    func withService(
        _ arguments: [String] = [], end signal: Int32 = SIGTERM, _ test: (Service) async throws -> Void
    ) async throws {
        let process = TestProcess(
            TestProcess.billingService,
            [
                "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--zoom-plan", "business",
                "--callers-file", folder + "/callers.json", "--credentials-file", credentials, "--zoom-oauth-url",
                base + "/oauth/token", "--zoom-api-url", base + "/v2", "--state-file", folder + "/state.db",
            ] + arguments)
        let output = try await process.output(containing: "Listening on ")
        let base = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
        do {
            try await test(Service(process: process, base: base))
        } catch {
            process.signal(SIGKILL)
            _ = await process.outcome()
            throw error
        }
        process.signal(signal)
        #expect(await process.outcome().status == (signal == SIGTERM ? 0 : 128 + signal))
    }

    struct Service {
        let process: TestProcess
        let base: String

        /// The lines of a stream, or the problem that is the response instead.
        func stream(_ query: String = "") async throws -> [JSONObject] {
            let outcome = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer my-token",
                    base + "/v2/billing/stream" + query,
                ])
            return try outcome.lines.compactMap { try JSONValue(parsing: Array($0.utf8)).object }
        }
    }
}
