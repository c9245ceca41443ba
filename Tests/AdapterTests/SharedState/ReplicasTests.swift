import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// Three processes of the service with one Redis and one sandbox.
@Suite("Replicas that share answers", .timeLimit(.minutes(5)))
struct ReplicasTests {
    private static let token = "token-of-the-test"

    private struct Replicas {
        let services: [KilledServices]
        let zoom: SandboxZoom
        let redis: RedisServer

        func get(_ account: String, from replica: Int) async throws -> String {
            let client = try await services[replica].client()
            var request = ClientRequest(
                method: "GET", scheme: "http", authority: client.origin.authority,
                target: "/v2/accounts/\(account)/billing")
            request.fields.append(.authorization, "Bearer " + ReplicasTests.token)
            let response = try await client.exchange(request, bodyBytesMax: 1_000_000, timeout: .minutes(1))
            return String(buffer: response.body)
        }

        /// The lines of a stream of all accounts.
        func stream(from replica: Int) async throws -> String {
            let client = try await services[replica].client()
            var request = ClientRequest(
                method: "GET", scheme: "http", authority: client.origin.authority, target: "/v2/billing/stream")
            request.fields.append(.authorization, "Bearer " + ReplicasTests.token)
            let response = try await client.exchange(request, bodyBytesMax: 100_000_000, timeout: .minutes(2))
            return String(buffer: response.body)
        }

        /// The calls to Get billing information so far.
        var calls: Int { zoom.requestCounts.billing }
    }

    private static func with(accounts: Int, _ test: (Replicas) async throws -> Void) async throws {
        let zoom = SandboxZoom(
            configuration: SandboxConfiguration(apps: [FiledService.app()], accounts: accounts, seed: 7),
            time: SystemTime())
        try await RedisServer.with { redis in
            try await withServer(zoom) { server in
                try await withTemporaryFolder { folder in
                    try write(
                        String(decoding: CredentialsDocument(masters: [.init(.test())]).text, as: UTF8.self),
                        to: folder + "/credentials.json")
                    let digest = await tokenDigest(token)
                    let caller =
                        #"{"name":"job","token_sha256":"\#(digest)","#
                        + #""scopes":["billing:read","billing:export","billing:write"]}"#
                    try write(#"{"callers":[\#(caller)]}"#, to: folder + "/callers.json")
                    let services = (0..<3).map { _ in
                        KilledServices(
                            count: 1,
                            arguments: [
                                "serve", "--http-port", "0", "--ops-port", "0", "--shutdown-delay", "0s",
                                "--credentials-file", folder + "/credentials.json", "--callers-file",
                                folder + "/callers.json", "--state-url", "redis://127.0.0.1:\(redis.port)",
                                "--state-lookup-timeout", "10s", "--cache-failure-ttl", "5m",
                                "--zoom-api-url", "http://127.0.0.1:\(server.port)/v2",
                                "--zoom-oauth-url", "http://127.0.0.1:\(server.port)/oauth/token",
                            ])
                    }
                    let result: Result<Void, any Error>
                    do {
                        for service in services { try await service.start(0) }
                        result = .success(try await test(Replicas(services: services, zoom: zoom, redis: redis)))
                    } catch {
                        result = .failure(error)
                    }
                    for service in services {
                        for outcome in await service.stop() { #expect(outcome.status == 0, "\(outcome.errors)") }
                    }
                    try result.get()
                }
            }
        }
    }

    /// A replica does without the shared answers while Redis does not answer in time. On a busy machine that happens, so the
    /// numbers of calls have room for it. Without sharing they would be 1,500 and 500.
    @Test("three replicas that stream all accounts share the calls to Zoom, and a new replica needs almost none")
    func streams() async throws {
        try await Self.with(accounts: 500) { replicas in
            let streams = try await withThrowingTaskGroup(of: String.self) { tasks in
                for replica in 0..<3 { tasks.addTask { try await replicas.stream(from: replica) } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            for stream in streams { #expect(stream.contains("\"complete\":true")) }
            let calls = replicas.calls
            #expect(calls >= 500 && calls < 1300, "\(calls)")
            // A replica that starts with an empty cache.
            await replicas.services[0].kill(0)
            try await replicas.services[0].start(0)
            #expect(try await replicas.stream(from: 0).contains("\"complete\":true"))
            #expect(replicas.calls - calls < 300, "\(replicas.calls - calls)")
        }
    }

    @Test("after a change through one replica, the others answer with the new contact")
    func change() async throws {
        try await Self.with(accounts: 20) { replicas in
            let number = try #require((0..<20).first { replicas.zoom.accounts.kind(of: $0) == nil })
            let account = replicas.zoom.accounts.id(of: number)
            for replica in 0..<3 { _ = try await replicas.get(account, from: replica) }
            #expect(replicas.calls == 1)
            for round in 0..<10 {
                // An update of the contact.
                let change = RepeatedChange(number: 4 * round, account: account)
                let client = try await replicas.services[0].client()
                #expect(try await change.send(client, token: Self.token) == .done)
                for replica in 0..<3 {
                    while try await !replicas.get(account, from: replica).contains("\(1_000_000 + 4 * round)") {
                        try Task.checkCancellation()
                    }
                }
            }
        }
    }
}
