import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Master accounts", .timeLimit(.minutes(10)))
struct ZoomMastersTests {
    private static let newSecret = "another-secret"

    /// The app of `TestZoom` with another secret.
    private static var rotated: SandboxConfiguration.App {
        var app = TestZoom.app
        app.clientSecret = newSecret
        return app
    }

    private struct Zoom {
        let sandbox: SandboxZoom
        let server: HTTPServer
        let client: ZoomMasters
        let credentials: FakeCredentials

        /// The masters that the client was created with, passed to `update` again when only credentials change.
        let masters: [ZoomMasters.Master]

        func lookUp(_ master: String? = nil) async throws(BillingFailure) -> BillingContact {
            try await client.billing(
                of: AccountID(literal: sandbox.accounts.id(of: 0)), under: master.map { Name(literal: $0) },
                for: .interactive)
        }
    }

    private static func with(
        _ credentials: FakeCredentials = FakeCredentials([.test()]), logger: Logger = .silent,
        _ test: (Zoom) async throws -> Void
    ) async throws {
        let time = SystemTime()
        let sandbox = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 10), time: time)
        try await withServer(sandbox) { server in
            let masters = [ZoomMasters.Master.test(server)]
            try await TestZoom.with(server, masters, credentials, logger: logger) { client in
                try await test(
                    Zoom(sandbox: sandbox, server: server, client: client, credentials: credentials, masters: masters))
            }
        }
    }

    // MARK: Changed credentials

    @Test("after an update of the credentials a token is fetched with the new secret; the old token is used until then")
    func rotation() async throws {
        try await Self.with { zoom in
            _ = try await zoom.lookUp()
            zoom.sandbox.replace(Self.rotated)
            _ = try await zoom.lookUp()
            zoom.credentials.set(.test(secret: Self.newSecret))
            await zoom.client.update(zoom.masters)
            while zoom.sandbox.requestCounts.tokens < 2 { try await Self.lookUpWhileWaiting(zoom) }
            await zoom.client.update(zoom.masters)
            _ = try await zoom.lookUp()
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    /// Looks up an account while the test waits for another request.
    private static func lookUpWhileWaiting(_ zoom: Zoom) async throws {
        try Task.checkCancellation()
        _ = try await zoom.lookUp()
    }

    @Test("if the new secret is wrong, the old token stays in use and a warning is logged")
    func wrongRotation() async throws {
        let warned = Event<Void>()
        let warning = "Zoom gives no new access token: the old one stays in use"
        try await Self.with(logger: .announcing(warning, warned)) { zoom in
            _ = try await zoom.lookUp()
            zoom.credentials.set(.test(secret: "wrong"))
            await zoom.client.update(zoom.masters)
            try await warned.next()
            _ = try await zoom.lookUp()
            // The wrong secret is not sent again.
            await zoom.client.update(zoom.masters)
            _ = try await zoom.lookUp()
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("when Zoom refuses the token, a new secret in the store is used without an update")
    func refusedToken() async throws {
        try await Self.with { zoom in
            _ = try await zoom.lookUp()
            zoom.sandbox.replace(Self.rotated)
            zoom.credentials.set(.test(secret: Self.newSecret))
            zoom.sandbox.revokeTokens()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { _ = try await zoom.lookUp() } }
                try await group.waitForAll()
            }
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("when Zoom refuses the secret, the store is read again and a newer secret is used")
    func refusedSecret() async throws {
        try await Self.with { zoom in
            zoom.sandbox.replace(Self.rotated)
            // The secret changes after the first attempt has read the old one.
            zoom.credentials.set(.test(secret: Self.newSecret), afterReads: 1)
            _ = try await zoom.lookUp()
            #expect(zoom.sandbox.requestCounts.tokens == 2)
        }
    }

    @Test("new credentials are used although the previous ones were refused")
    func recovered() async throws {
        try await Self.with(FakeCredentials([.test(secret: "wrong")])) { zoom in
            await #expect(throws: BillingFailure.credentialsRefused) { try await zoom.lookUp() }
            #expect(zoom.client.reports.map(\.health) == [.credentialsRefused])
            zoom.credentials.set(.test())
            await zoom.client.update(zoom.masters)
            _ = try await zoom.lookUp()
            #expect(zoom.client.reports.map(\.health) == [.healthy])
        }
    }

    // MARK: Shutdown

    @Test("after shutdown the client does not use its event loops", .timeLimit(.minutes(10)))
    func end() async {
        // In a separate process: using an event loop after its shutdown crashes the process.
        await #expect(processExitsWith: .success) {
            for _ in 0..<300 {
                let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
                let endpoint = ZoomConfiguration.ServiceURL(
                    origin: Origin(scheme: .http, host: "127.0.0.1", port: 1), path: "")
                let masters = ["main", "second"].map { name in
                    ZoomMasters.Master(
                        name: Name(literal: name), accountID: AccountID(literal: "m"), api: endpoint, oauth: endpoint,
                        rates: [:])
                }
                do {
                    let zoom = ZoomMasters(
                        masters, configuration: ZoomConfiguration(api: endpoint, oauth: endpoint),
                        credentials: FakeCredentials([]), group: group, time: SystemTime(), logger: .silent)
                    try await withServices([zoom]) { await zoom.update([masters[0]]) }
                }
                try await group.shutdownGracefully()
            }
        }
    }

    // MARK: Several masters

    @Test("each master account uses its own address and credentials, and an unknown or missing name is refused")
    func several() async throws {
        let other = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 10, seed: 2), time: SystemTime())
        try await Self.with(FakeCredentials([.test(), .test(name: "second")])) { zoom in
            try await withServer(other) { server in
                _ = try await zoom.lookUp()
                await zoom.client.update(zoom.masters + [.test(server, name: "second")])
                _ = try await zoom.lookUp("main")
                let account = AccountID(literal: other.accounts.id(of: 0))
                _ = try await zoom.client.billing(of: account, under: Name(literal: "second"), for: .interactive)
                await #expect(throws: BillingFailure.accountNotFound(account)) {
                    try await zoom.client.billing(of: account, under: Name(literal: "main"), for: .interactive)
                }
                for unknown in [nil, "third"] {
                    await #expect(throws: BillingFailure.credentialsRefused) { try await zoom.lookUp(unknown) }
                }
                // An unchanged master keeps its first token.
                #expect(zoom.sandbox.requestCounts.tokens == 1 && other.requestCounts.tokens == 1)
                #expect(zoom.client.reports.map(\.master.rawValue) == ["main", "second"])
            }
        }
    }

    @Test("a call in flight completes when its master account is removed")
    func removed() async throws {
        let started = Event<Void>()
        let (released, release) = AsyncStream<Void>.makeStream()
        let handler = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            return .eventually {
                started.fire()
                for await _ in released { break }
                return .text(#"{"city":"Oakland"}"#)
            }
        }
        try await withServer(handler) { server in
            try await TestZoom.with(server, [.test(server)], FakeCredentials([.test()])) { client in
                let account = AccountID(literal: "a")
                let call = Task { try await client.billing(of: account, under: nil, for: .interactive) }
                try await started.next()
                await client.update([])
                await #expect(throws: BillingFailure.credentialsRefused) {
                    try await client.billing(of: account, under: nil, for: .interactive)
                }
                release.yield()
                let contact = try await call.joined
                #expect(contact[.city] == "Oakland")
            }
        }
    }
}

@Suite("Zoom token responses")
struct TokenAnswerTests {
    private static let now = Timestamp(secondsSinceEpoch: 1_769_860_800)

    struct Refusal: CustomTestStringConvertible {
        let status: Int
        let body: String
        let fault: CredentialsFault
        var testDescription: String { "\(status) \(body)" }
    }

    @Test(
        "a refused token request is classified by its error text, not its status",
        arguments: [
            Refusal(
                status: 400, body: #"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#,
                fault: .client),
            Refusal(status: 401, body: #"{"code":4702,"message":"Invalid client."}"#, fault: .client),
            Refusal(status: 400, body: #"{"code":4704,"message":"Invalid client secret."}"#, fault: .client),
            Refusal(status: 400, body: #"{"reason":"Bad Request","error":"invalid_request"}"#, fault: .account),
            Refusal(status: 400, body: #"{"error":"invalid_grant"}"#, fault: .account),
            Refusal(status: 401, body: #"{"code":4717,"message":"The app has been disabled"}"#, fault: .disabled),
            Refusal(
                status: 400, body: #"{"reason":"unsupported grant type","error":"unsupported_grant_type"}"#,
                fault: .unexplained),
            Refusal(status: 400, body: "", fault: .unexplained),
            Refusal(status: 403, body: "{}", fault: .unexplained),
            // The error text decides, not the status.
            Refusal(
                status: 200, body: #"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#,
                fault: .client),
            Refusal(status: 200, body: #"{"code":4702,"message":"Invalid client."}"#, fault: .client),
            Refusal(status: 500, body: #"{"code":4717,"message":"The app has been disabled"}"#, fault: .disabled),
            Refusal(status: 200, body: #"{"error":"access_denied"}"#, fault: .unexplained),
        ])
    func faults(refusal: Refusal) {
        let response = ClientResponse(
            status: refusal.status, fields: HeaderFields(), body: ByteBuffer(string: refusal.body))
        #expect(throws: ZoomFailure.credentials(refusal.fault)) {
            try TokenGrant(response, now: Self.now)
        }
    }

    @Test("the scopes of a token are read if present")
    func scopes() throws {
        func grant(_ member: String) throws -> TokenGrant {
            let body = #"{"access_token":"t"\#(member)}"#
            return try TokenGrant(
                ClientResponse(status: 200, fields: HeaderFields(), body: ByteBuffer(string: body)), now: Self.now)
        }
        #expect(try grant("").scopes == nil)
        #expect(try grant(#","scope":"""#).scopes == [])
        #expect(try grant(#","scope":"account:master billing:master""#).scopes == ["account:master", "billing:master"])
    }

    @Test("any one of an operation's scopes, classic or granular, permits it", arguments: Operation.allCases)
    func permitted(operation: Operation) {
        for scope in operation.endpoint.scopes { #expect(operation.endpoint.isPermitted(by: ["other", scope])) }
        #expect(!operation.endpoint.isPermitted(by: []) && !operation.endpoint.isPermitted(by: ["billing:read:admin"]))
    }
}
