import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// Three replicas of one app. Their sandbox revokes older tokens when it issues a new one.
@Suite("Replicas of one app", .timeLimit(.minutes(10)))
struct ReplicaTests {
    private static func with(
        sharing: Bool, _ test: (SandboxZoom, [ZoomMasters]) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10)
        configuration.tokens = .superseding
        let sandbox = SandboxZoom(configuration: configuration, time: SystemTime())
        try await withTemporaryFolder { folder in
            try await withServer(sandbox) { server in
                func replica(_ rest: [ZoomMasters], _ count: Int) async throws {
                    guard count > 0 else { return try await test(sandbox, rest) }
                    let tokens = TokensFile(
                        PrivateFile(path: folder + "/tokens"), time: SystemTime(), logger: .silent)
                    try await TestZoom.with(
                        server, [.test(server)], FakeCredentials([.test()]), sharedTokens: sharing ? tokens : nil
                    ) { client in try await replica(rest + [client], count - 1) }
                }
                try await replica([], 3)
            }
        }
    }

    @Test("replicas with a shared token file use one token, and share its successor after a refresh or revocation")
    func shared() async throws {
        try await Self.with(sharing: true) { sandbox, replicas in
            let account = AccountID(literal: sandbox.accounts.id(of: 0))
            // The first replica obtains the token that the others share.
            _ = try await replicas[0].billing(of: account, under: nil, for: .interactive)
            for round in 0..<3 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for replica in replicas {
                        for _ in 0..<50 {
                            group.addTask { _ = try await replica.billing(of: account, under: nil, for: .interactive) }
                        }
                    }
                    try await group.waitForAll()
                }
                // One token per revocation, and a few more if replicas refresh at the same moment and revoke each other's
                // token, which is likelier on a busy machine. Without sharing, this would continue with every request.
                #expect(sandbox.requestCounts.tokens <= 1 + round * 8)
                if round == 0 { #expect(sandbox.requestCounts.tokens == 1) }
                sandbox.revokeTokens()
            }
        }
    }

    @Test(
        "replicas with a Redis obtain one token together at their start, and one after each revocation",
        arguments: [SandboxConfiguration.Tokens.superseding, .coexisting])
    func redis(policy: SandboxConfiguration.Tokens) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10)
        configuration.tokens = policy
        let sandbox = SandboxZoom(configuration: configuration, time: SystemTime())
        try await RedisServer.with { redis in
            try await withServer(sandbox) { server in
                func replica(_ rest: [ZoomMasters], _ count: Int) async throws {
                    guard count > 0 else { return try await Self.useTogether(rest, sandbox) }
                    try await redis.withClient { client in
                        let tokens = RedisTokens(client, keys: .none, time: SystemTime(), logger: .silent)
                        try await TestZoom.with(
                            server, [.test(server)], FakeCredentials([.test()]), sharedTokens: tokens
                        ) { try await replica(rest + [$0], count - 1) }
                    }
                }
                try await replica([], 3)
            }
        }
    }

    private static func useTogether(_ replicas: [ZoomMasters], _ sandbox: SandboxZoom) async throws {
        let account = AccountID(literal: sandbox.accounts.id(of: 0))
        for round in 1...3 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for replica in replicas {
                    for _ in 0..<20 {
                        group.addTask { _ = try await replica.billing(of: account, under: nil, for: .interactive) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(sandbox.requestCounts.tokens == round)
            sandbox.revokeTokens()
        }
    }

    /// Records whether its replica has stored or read a token that was obtained with another secret than the token before.
    private final class RecordedTokens: SharedTokens {
        private struct State {
            var before: [UInt8]?
            var rotated: [UInt8]?
        }

        private let tokens: RedisTokens
        private let state = Mutex(State())

        init(_ tokens: RedisTokens) {
            self.tokens = tokens
        }

        var hasRotated: Bool { state.withLock { $0.rotated != nil } }

        private func record(_ token: AccessToken?) {
            guard let digest = token?.secretDigest else { return }
            state.withLock { state in
                if state.before == nil { state.before = digest }
                if state.before != digest { state.rotated = digest }
            }
        }

        /// The next rotation begins.
        func forget() {
            state.withLock { state in
                state.before = state.rotated
                state.rotated = nil
            }
        }

        func token(for credentials: MasterCredentials) async -> AccessToken? {
            let token = await tokens.token(for: credentials)
            record(token)
            return token
        }

        func beginRefresh(for credentials: MasterCredentials) async -> TokenRefreshRight {
            await tokens.beginRefresh(for: credentials)
        }

        func put(_ token: AccessToken, for credentials: MasterCredentials, fence: TokenFence?) async {
            record(token)
            await tokens.put(token, for: credentials, fence: fence)
        }

        func endRefresh(_ fence: TokenFence, for credentials: MasterCredentials) async {
            await tokens.endRefresh(fence, for: credentials)
        }
    }

    private struct Rotated {
        let masters: ZoomMasters
        let tokens: RecordedTokens
    }

    @Test(
        "after a rotation of the secret, replicas with a Redis obtain one token together, and no request fails",
        arguments: [SandboxConfiguration.Tokens.superseding, .coexisting])
    func rotation(policy: SandboxConfiguration.Tokens) async throws {
        var configuration = SandboxConfiguration(apps: [TestZoom.app], accounts: 10)
        configuration.tokens = policy
        let sandbox = SandboxZoom(configuration: configuration, time: SystemTime())
        let credentials = FakeCredentials([.test()])
        try await RedisServer.with { redis in
            try await withServer(sandbox) { server in
                func replica(_ rest: [Rotated], _ count: Int) async throws {
                    guard count > 0 else {
                        return try await Self.rotate(rest, sandbox, credentials, [.test(server)])
                    }
                    try await redis.withClient { client in
                        let tokens = RecordedTokens(
                            RedisTokens(client, keys: .none, time: SystemTime(), logger: .silent))
                        try await TestZoom.with(server, [.test(server)], credentials, sharedTokens: tokens) {
                            try await replica(rest + [Rotated(masters: $0, tokens: tokens)], count - 1)
                        }
                    }
                }
                try await replica([], 3)
            }
        }
    }

    private static func rotate(
        _ replicas: [Rotated], _ sandbox: SandboxZoom, _ credentials: FakeCredentials, _ masters: [ZoomMasters.Master]
    ) async throws {
        let account = AccountID(literal: sandbox.accounts.id(of: 0))
        // Each replica takes the token of the first.
        for replica in replicas { _ = try await replica.masters.billing(of: account, under: nil, for: .interactive) }
        #expect(sandbox.requestCounts.tokens == 1)
        var app = TestZoom.app
        for secret in ["second-secret", "third-secret"] {
            app.clientSecret = secret
            let before = sandbox.requestCounts.tokens
            sandbox.replace(app)
            credentials.set(.test(secret: secret))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for replica in replicas {
                    group.addTask {
                        await replica.masters.update(masters)
                        repeat {
                            try Task.checkCancellation()
                            _ = try await replica.masters.billing(of: account, under: nil, for: .interactive)
                        } while !replica.tokens.hasRotated
                    }
                }
                try await group.waitForAll()
            }
            #expect(sandbox.requestCounts.tokens == before + 1)
            for replica in replicas { replica.tokens.forget() }
        }
        for replica in replicas { _ = try await replica.masters.billing(of: account, under: nil, for: .interactive) }
        #expect(sandbox.requestCounts.tokens == 3)
    }

    @Test("replicas without a shared token file limit their token requests")
    func separate() async throws {
        try await Self.with(sharing: false) { sandbox, replicas in
            let account = AccountID(literal: sandbox.accounts.id(of: 0))
            var (answered, refused) = (0, 0)
            for _ in 0..<200 {
                for replica in replicas {
                    do throws(BillingFailure) {
                        _ = try await replica.billing(of: account, under: nil, for: .interactive(for: nil))
                        answered += 1
                    } catch {
                        // Reports a retry delay, not refused credentials.
                        guard case .sourceUnavailable(let wait) = error else { throw error }
                        #expect(wait > .seconds(2) && wait <= .seconds(60))
                        refused += 1
                    }
                }
            }
            #expect(sandbox.requestCounts.tokens <= 20)
            #expect(answered >= 200 && refused > 0)
        }
    }
}
