import Adapters
import Foundation
import Logging
import Testing

@Suite("Redis Sentinel", .timeLimit(.minutes(10)))
struct RedisSentinelTests {
    private static let limit = Duration.seconds(20)

    /// Starts a primary, a replica and a sentinel with one password.
    private static func with(
        _ test: (_ primary: RedisServer, _ replica: RedisServer, _ sentinel: RedisConfiguration.Address) async throws ->
            Void
    ) async throws {
        let options = ["--requirepass", "secret", "--masterauth", "secret", "--repl-diskless-sync-delay", "0"]
        try await RedisServer.with(options: options) { primary in
            let replicaOptions = options + ["--replicaof", "127.0.0.1 \(primary.port)"]
            try await RedisServer.with(options: replicaOptions) { replica in
                try await replica.wait(for: "connected", in: "-a", "secret", "ROLE")
                let port = primary.port - 10_000
                try await withTemporaryFolder { folder in
                    try write(
                        """
                        port \(port)
                        bind 127.0.0.1
                        dir \(folder)
                        requirepass secret
                        sentinel monitor billing 127.0.0.1 \(primary.port) 1
                        sentinel auth-pass billing secret
                        sentinel down-after-milliseconds billing 500
                        sentinel failover-timeout billing 2000

                        """, to: folder + "/sentinel.conf")
                    let sentinel = TestProcess("redis-server", [folder + "/sentinel.conf", "--sentinel"])
                    let result: Result<Void, any Error>
                    do {
                        _ = try await sentinel.output(containing: "+slave slave 127.0.0.1:\(replica.port)")
                        result = .success(
                            try await test(primary, replica, RedisConfiguration.Address(host: "127.0.0.1", port: port)))
                    } catch {
                        result = .failure(error)
                    }
                    sentinel.signal(SIGKILL)
                    _ = await sentinel.outcome()
                    try result.get()
                }
            }
        }
    }

    @Test("the client asks the sentinels for the primary, and follows a failover")
    func failover() async throws {
        try await Self.with { primary, replica, sentinel in
            let absent = RedisConfiguration.Address(host: "127.0.0.1", port: 1)
            try await primary.withClient({
                $0.addresses = [absent, sentinel]; $0.sentinelPrimary = "billing"; $0.password = { "secret" }
            }) { client in
                #expect(try await client.call(RedisCommand("SET", "a", "1"), within: Self.limit) == .ok)
                #expect(await primary.run("-a", "secret", "GET", "a") == "1")
                try await replica.wait(for: "1", in: "-a", "secret", "GET", "a")
                await primary.kill()
                while client.isConnected { try Task.checkCancellation() }
                // The first address may still be that of the old primary.
                #expect(await client.waitUntilConnected(within: Self.limit))
                #expect(try await client.call(RedisCommand("GET", "a"), within: Self.limit) == .text("1"))
                #expect(try await client.call(RedisCommand("SET", "a", "2"), within: Self.limit) == .ok)
                #expect(await replica.run("-a", "secret", "GET", "a") == "2")
            }
        }
    }

    @Test("sentinels that cannot be used are named: wrong name of the primary, missing password")
    func problems() async throws {
        try await Self.with { primary, _, sentinel in
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            for (name, password, reason) in [
                ("other", "secret", "it is a sentinel, and knows no primary with the name other"),
                ("billing", nil, "it demands a user name and a password"),
                ("billing", "wrong", "it refused the user name and password"),
            ] {
                try await primary.withClient(
                    isAwaited: false, logger: logger,
                    {
                        $0.addresses = [sentinel]
                        $0.sentinelPrimary = name
                        if let password { $0.password = { password } }
                    }
                ) { _ in
                    let line = try await lines.next()
                    #expect(line.contains("\(sentinel.text)") && line.hasSuffix("reason=" + reason), "\(line)")
                }
            }
        }
    }
}
