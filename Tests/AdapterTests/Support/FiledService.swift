import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

/// A `billing-service serve` process with a credentials file and a callers file. Its two master accounts, `main` and
/// `second`, each use their own sandbox in this process.
struct FiledService {
    let process: TestProcess
    let folder: String
    let base: String
    let ops: String
    let client: HTTPClient
    /// The port of the sandbox of `main`.
    let zoomPort: Int
    let main: SandboxZoom
    let second: SandboxZoom

    var credentialsPath: String { folder + "/credentials.json" }
    var callersPath: String { folder + "/callers.json" }

    static func app(_ secret: String = TestZoom.app.clientSecret) -> SandboxConfiguration.App {
        var app = TestZoom.app
        app.clientSecret = secret
        return app
    }

    /// - Parameters:
    ///   - apiPath: The path of `zoom.api-url`.
    ///   - oauthPath: The path of `zoom.oauth-url`.
    ///   - cacheTTL: No caching by default, so that changes at Zoom are visible at once.
    ///   - prepare: Runs before the service starts, with the folder of the files.
    static func with(
        _ arguments: [String] = [], accounts: Int = 20, scopes: [String] = TestZoom.app.scopes,
        apiPath: String = "/v2", oauthPath: String = "/oauth/token", cacheTTL: String = "0s",
        prepare: (String) throws -> Void = { _ in },
        _ test: (FiledService) async throws -> Void
    ) async throws {
        var app = app()
        app.scopes = scopes
        let zooms = [1, 2].map { seed in
            SandboxZoom(
                configuration: SandboxConfiguration(apps: [app], accounts: accounts, seed: UInt64(seed)),
                time: SystemTime())
        }
        try await withServer(zooms[0]) { first in
            try await withServer(zooms[1]) { second in
                try await withTemporaryFolder { folder in
                    let masters = [
                        CredentialsDocument.Master(.test()),
                        CredentialsDocument.Master(
                            .test(name: "second"), oauthHost: "127.0.0.1:\(second.port)",
                            apiHost: "127.0.0.1:\(second.port)"),
                    ]
                    try write(
                        String(decoding: CredentialsDocument(masters: masters).text, as: UTF8.self),
                        to: folder + "/credentials.json")
                    try write(#"{"callers":[]}"#, to: folder + "/callers.json")
                    try prepare(folder)
                    let addresses = [
                        "--zoom-api-url", "http://127.0.0.1:\(first.port)\(apiPath)", "--zoom-oauth-url",
                        "http://127.0.0.1:\(first.port)\(oauthPath)",
                    ]
                    try await run(
                        addresses + ["--cache-ttl", cacheTTL] + arguments, folder: folder, zoom: first, zooms, test)
                }
            }
        }
    }

    private static func run(
        _ arguments: [String], folder: String, zoom: HTTPServer, _ zooms: [SandboxZoom],
        _ test: (FiledService) async throws -> Void
    ) async throws {
        let process = TestProcess(
            TestProcess.billingService,
            [
                "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s", "--credentials-file",
                folder + "/credentials.json", "--callers-file", folder + "/callers.json", "--zoom-plan", "business",
            ] + arguments)
        let output = try await process.output(containing: "Operations on ")
        let bases = output.matches(of: /http:\/\/[0-9.]+:([0-9]+)/).map { (String($0.output.0), Int($0.output.1) ?? 0) }
        let client = HTTPClient(
            origin: Origin(scheme: .http, host: "127.0.0.1", port: bases[0].1), group: .singleton,
            configuration: .longTimeouts, logger: .silent)
        let service = FiledService(
            process: process, folder: folder, base: bases[0].0, ops: bases[1].0, client: client,
            zoomPort: zoom.port, main: zooms[0], second: zooms[1])
        let result: Result<Void, any Error>
        do {
            result = .success(try await test(service))
        } catch {
            result = .failure(error)
        }
        await client.close()
        process.signal(SIGTERM)
        let outcome = await process.outcome()
        try result.get()
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    /// Runs `billing-service callers`.
    @discardableResult
    func callers(_ arguments: String...) async throws -> TestProcess.Outcome {
        let outcome = await TestProcess.run(
            TestProcess.billingService, ["callers"] + arguments + ["--callers-file", callersPath])
        try #require(outcome.status == 0, "\(outcome.errors)")
        return outcome
    }

    /// Adds a caller with a token.
    func token(of name: String, _ arguments: String...) async throws -> String {
        let outcome = await TestProcess.run(
            TestProcess.billingService,
            ["callers", "add", "--callers-file", callersPath, "--name", name] + arguments)
        return try #require(outcome.lines.last, "\(outcome.errors)")
    }

    func send(
        _ target: String, authorization: String?, method: String = "GET", body: String? = nil,
        _ fields: [(FieldName, String)] = []
    ) async throws -> ClientResponse {
        var request = ClientRequest(
            method: method, scheme: "http", authority: client.origin.authority, target: target,
            body: ByteBuffer(string: body ?? ""))
        if let body { request.fields.append(.contentLength, body.utf8.count) }
        if let authorization { request.fields.append(.authorization, authorization) }
        request.fields.append(.requestID, "same")
        for (name, value) in fields { request.fields.append(name, value) }
        return try await client.exchange(request, bodyBytesMax: 10_000_000, timeout: .minutes(5))
    }

    func send(_ target: String, token: String) async throws -> ClientResponse {
        try await send(target, authorization: "Bearer " + token)
    }

    /// Repeats the request until it has this status: the service takes a moment to reload a changed file.
    func wait(for status: Int, _ target: String, token: String) async throws {
        while try await send(target, token: token).status != status { try Task.checkCancellation() }
    }

    /// The path of an account that the master pays for.
    func account(of zoom: SandboxZoom, _ number: Int = 0) -> String {
        "/v2/accounts/\(zoom.accounts.id(of: number))/billing"
    }

    func stream(token: String) -> TestProcess {
        TestProcess(
            "curl",
            [
                "--silent", "--no-buffer", "--http2-prior-knowledge", "-H", "authorization: Bearer " + token,
                base + "/v2/billing/stream",
            ])
    }
}
