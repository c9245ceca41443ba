import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Shared tokens in Redis", .timeLimit(.minutes(10)))
struct SharedTokensTests {
    private static func token(_ text: String, lifetime: Int64 = 3600) -> AccessToken {
        AccessToken(
            text: Secret(text), scopes: ["billing:read"],
            expires: Timestamp(secondsSinceEpoch: SystemTime().timestamp.secondsSinceEpoch + lifetime))
    }

    private static func with(
        _ server: RedisServer, keys: SealingKeys = .none, _ test: (RedisTokens) async throws -> Void
    ) async throws {
        try await server.withClient { client in
            try await test(RedisTokens(client, keys: keys, time: SystemTime(), logger: .silent))
        }
    }

    @Test("replicas share a token, encrypted with the key of the credentials")
    func sealed() async throws {
        try await RedisServer.with { server in
            let keys = SealingKeys.given(.random())
            let credentials = MasterCredentials.test()
            let token = Self.token("secret-token")
            try await Self.with(server, keys: keys) { tokens in
                let before = await tokens.token(for: credentials)
                #expect(before == nil)
                await tokens.put(token, for: credentials)
            }
            let stored = await server.run("HGETALL", server.run("KEYS", "*"))
            #expect(stored.contains("billing-service sealed") && !stored.contains("secret-token"))
            try await Self.with(server, keys: keys) { tokens in
                let found = await tokens.token(for: credentials)
                #expect(found == token)
            }
            for others in [SealingKeys.none, .given(.random())] {
                try await Self.with(server, keys: others) { tokens in
                    let found = await tokens.token(for: credentials)
                    #expect(found == nil)
                }
            }
        }
    }

    @Test("one replica has the right to refresh until it stores a token or gives up")
    func right() async throws {
        try await RedisServer.withoutData { server in
            let credentials = MasterCredentials.test()
            try await Self.with(server) { first in
                try await Self.with(server) { second in
                    guard case .granted(let fence) = await first.beginRefresh(for: credentials) else {
                        throw Expected(text: "the right to refresh", location: #_sourceLocation)
                    }
                    #expect(await second.beginRefresh(for: credentials) == .held)
                    await first.endRefresh(fence, for: credentials)
                    guard case .granted(let next) = await second.beginRefresh(for: credentials) else {
                        throw Expected(text: "the right to refresh", location: #_sourceLocation)
                    }
                    #expect(next.number > fence.number)
                    await second.put(Self.token("second"), for: credentials, fence: next)
                    // The replica was stopped for a while. Its token is older.
                    await first.put(Self.token("first"), for: credentials, fence: fence)
                    #expect(await first.token(for: credentials)?.text == Secret("second"))
                    guard case .granted = await first.beginRefresh(for: credentials) else {
                        throw Expected(text: "the right to refresh", location: #_sourceLocation)
                    }
                }
            }
        }
    }

    @Test("a token expires with its lifetime, and without Redis there is none")
    func expired() async throws {
        try await RedisServer.with { server in
            try await Self.with(server) { tokens in
                await tokens.put(Self.token("short", lifetime: 100), for: .test())
                let left = Int(await server.run("TTL", server.run("KEYS", "*"))) ?? 0
                #expect((1...100).contains(left))
                await server.kill()
                #expect(await tokens.token(for: .test()) == nil)
                #expect(await tokens.beginRefresh(for: .test()) == .none)
            }
        }
    }
}
