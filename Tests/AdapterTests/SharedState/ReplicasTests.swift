import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import Testing

/// Three processes of the service with one Redis and one sandbox.
@Suite("Replicas that share answers", .timeLimit(.minutes(10)))
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
        ///
        /// - Parameter query: With its question mark.
        func stream(from replica: Int, _ query: String = "") async throws -> String {
            let client = try await services[replica].client()
            var request = ClientRequest(
                method: "GET", scheme: "http", authority: client.origin.authority, target: "/v2/billing/stream" + query)
            request.fields.append(.authorization, "Bearer " + ReplicasTests.token)
            let response = try await client.exchange(request, bodyBytesMax: 100_000_000, timeout: .minutes(2))
            return String(buffer: response.body)
        }

        /// The calls to Get billing information so far.
        var calls: Int { zoom.requestCounts.billing }

        /// How often Redis did not answer in time, or a call took longer than other replicas wait. Each time permits one call
        /// more, and on a busy machine it happens.
        func excusedCalls(of replicas: [Int] = [0, 1, 2]) async throws -> Int {
            var sum = 0
            for replica in replicas {
                let lines = try await services[replica].metrics(of: 0)
                for excuse in ReplicasTests.excuses {
                    let line = try #require(lines.first { $0.hasPrefix(excuse) })
                    sum += try #require(Int(line.dropFirst(excuse.count)))
                }
            }
            return sum
        }
    }

    private static let excuses = ["failed", "skipped", "expired"].map {
        "billing_shared_answers_lookups_total{result=\"\($0)\"} "
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

    @Test("three replicas that stream all accounts make one call for each, and a new replica makes none")
    func streams() async throws {
        try await Self.with(accounts: 500) { replicas in
            let streams = try await withThrowingTaskGroup(of: String.self) { tasks in
                for replica in 0..<3 { tasks.addTask { try await replicas.stream(from: replica) } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            for stream in streams { #expect(stream.contains("\"complete\":true")) }
            let (calls, excused) = (replicas.calls, try await replicas.excusedCalls())
            #expect((500...500 + excused).contains(calls), "\(calls) calls, of which \(excused) are excused")
            // A replica that starts with an empty cache.
            await replicas.services[0].kill(0)
            try await replicas.services[0].start(0)
            #expect(try await replicas.stream(from: 0).contains("\"complete\":true"))
            let later = try await replicas.excusedCalls(of: [0])
            #expect(
                replicas.calls - calls <= excused + later,
                "\(replicas.calls - calls) more calls, of which \(excused + later) are excused")
        }
    }

    @Test("each replica accepts its own moments and refuses those of others, and names itself in the first line")
    func moments() async throws {
        try await Self.with(accounts: 5) { replicas in
            // Each replica gets its number as soon as it has a connection.
            var moments: [String] = []
            for replica in 0..<3 {
                while moments.count == replica {
                    let lines = try await replicas.stream(from: replica)
                    let moment = try #require(lines.matches(of: /"as_of":"([^"]+)"/).last?.output.1)
                    let next = try await replicas.stream(from: replica, "?changed_since=\(moment)")
                    guard next.contains("\"complete\":true") else { continue }
                    #expect(next.contains("\"replica\":\"\(moment.dropLast().suffix(3))\""))
                    moments.append(String(moment))
                }
            }
            #expect(Set(moments.map { $0.dropLast().suffix(3) }).count == 3)
            let other = try await replicas.stream(from: 1, "?changed_since=\(moments[0])")
            #expect(other.contains("changes-unknown") && other.contains("Another replica"), "\(other)")
        }
    }

    @Test("after a change through one replica, the others answer with the new contact")
    func change() async throws {
        try await Self.with(accounts: 20) { replicas in
            let number = try #require((0..<20).first { replicas.zoom.accounts.kind(of: $0) == nil })
            let account = replicas.zoom.accounts.id(of: number)
            for replica in 0..<3 { _ = try await replicas.get(account, from: replica) }
            let excused = try await replicas.excusedCalls()
            #expect(
                (1...1 + excused).contains(replicas.calls), "\(replicas.calls) calls, of which \(excused) are excused")
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
