import Adapters
import Domain
import DomainFakes
import NIOCore
import Synchronization
import Testing

/// Three replicas of one app, on a Zoom where a new token ends the older ones.
@Suite("Replicas on one account", .timeLimit(.minutes(1)))
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

    @Test("that share their tokens use one token, each in the others' place when it is renewed or revoked")
    func shared() async throws {
        try await Self.with(sharing: true) { sandbox, replicas in
            let account = AccountID(literal: sandbox.accounts.id(of: 0))
            // One is first, so that there is something to share.
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
                // One for each time that it was revoked; and more where several were at it in the same moment, and ended each
                // other's: a busy machine has longer moments. Without sharing it would go on for as long as they ask.
                #expect(sandbox.requestCounts.tokens <= 1 + round * 8)
                if round == 0 { #expect(sandbox.requestCounts.tokens == 1) }
                sandbox.revokeTokens()
            }
        }
    }

    @Test("that share nothing do not ask for token after token")
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
                        // Told how long it takes, and not that something is wrong with the credentials.
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
