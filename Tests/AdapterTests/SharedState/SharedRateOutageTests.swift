import Adapters
import Domain
import DomainFakes
import Testing

/// Three replicas with one Redis, and a sandbox that enforces Zoom's rate limits.
@Suite("Replicas that share Zoom's rate through Redis", .timeLimit(.minutes(10)))
struct SharedRateOutageTests {
    /// What is wrong with Redis.
    enum Fault: String, CaseIterable, CustomTestStringConvertible {
        case paused
        case restartedEmpty
        case full
        case forbidsScripts
        case replacedByReplica

        var testDescription: String { rawValue }
    }

    private static func with(
        _ redis: RedisServer, _ test: (SandboxZoom, [ZoomMasters]) async throws -> Void
    ) async throws {
        let sandbox = SandboxZoom(
            configuration: SandboxConfiguration(apps: [TestZoom.app], accounts: 10, limits: .pro), time: SystemTime())
        try await withServer(sandbox) { server in
            func replica(_ rest: [ZoomMasters], _ count: Int) async throws {
                guard count > 0 else { return try await test(sandbox, rest) }
                try await redis.withClient { client in
                    let rates = RedisSharedRates(client, time: SystemTime())
                    await rates.showLife()
                    let rate = RateBudget.Rules(perSecond: 20)
                    try await TestZoom.with(
                        server, [.test(server, rate: rate)], FakeCredentials([.test()]), sharedRates: rates,
                        waitMax: .seconds(60), retryTime: .seconds(30)
                    ) { try await replica(rest + [$0], count - 1) }
                }
            }
            try await replica([], 3)
        }
    }

    /// Looks up an account at each replica, again and again, until all replicas use their own shares, or none does. No lookup
    /// may fail.
    private static func lookUp(_ replicas: [ZoomMasters], _ account: AccountID, untilOwnShares isOwn: Bool) async throws
    {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for replica in replicas {
                tasks.addTask {
                    repeat {
                        _ = try await replica.billing(of: account, under: nil, for: .interactive)
                    } while replica.reports.first?.budgets.first?.budget.isOwnShare != isOwn
                }
            }
            try await tasks.waitForAll()
        }
    }

    @Test(
        "No lookup fails while Redis is away, and the replicas share the rate again when it is back",
        arguments: Fault.allCases)
    func outage(_ fault: Fault) async throws {
        try await RedisServer.with { redis in
            try await Self.with(redis) { sandbox, replicas in
                let account = AccountID(literal: sandbox.accounts.id(of: 0))
                try await Self.lookUp(replicas, account, untilOwnShares: false)
                switch fault {
                case .restartedEmpty: await redis.kill()
                case .paused: redis.pause()
                case .full: await redis.run("CONFIG", "SET", "maxmemory", "1")
                case .forbidsScripts: await redis.run("ACL", "SETUSER", "default", "-@scripting")
                case .replacedByReplica: await redis.run("REPLICAOF", "127.0.0.1", "1")
                }
                try await Self.lookUp(replicas, account, untilOwnShares: true)
                switch fault {
                case .restartedEmpty: try await redis.start()
                case .paused: redis.resume()
                case .full: await redis.run("CONFIG", "SET", "maxmemory", "0")
                case .forbidsScripts: await redis.run("ACL", "SETUSER", "default", "+@scripting")
                case .replacedByReplica: await redis.run("REPLICAOF", "NO", "ONE")
                }
                try await Self.lookUp(replicas, account, untilOwnShares: false)
                // A busy machine may send late. Two replicas with the whole rate would cause many more.
                #expect(sandbox.requestCounts.rateLimited <= 5)
            }
        }
    }

    @Test("No second has more requests than the limit while other nodes of a cluster take the rate limit over")
    func clusterFailover() async throws {
        try await TestRedisCluster.with(hasSpare: true) { cluster in
            try await Self.with(cluster.primaries[0]) { sandbox, replicas in
                let account = AccountID(literal: sandbox.accounts.id(of: 0))
                try await Self.lookUp(replicas, account, untilOwnShares: false)
                var owner: RedisServer?
                for node in cluster.primaries where await node.run("KEYS", "*").contains("slots") { owner = node }
                let (primary, spare) = (try #require(owner), try #require(cluster.spare))
                try await cluster.replicate(primary)
                try await spare.wait(for: "slots", in: "KEYS", "*")
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for replica in replicas {
                        tasks.addTask {
                            while !Task.isCancelled {
                                _ = try await replica.billing(of: account, under: nil, for: .interactive)
                            }
                        }
                    }
                    // The primary hands over to its replica, which is then killed.
                    try await spare.takeOver()
                    try await spare.wait(for: "state=online", in: "INFO", "replication")
                    await spare.kill()
                    try await primary.wait(for: "master", in: "ROLE")
                    tasks.cancelAll()
                    while let result = await tasks.nextResult() {
                        guard case .failure(let error) = result, error as? BillingFailure != .cancelled else {
                            continue
                        }
                        throw error
                    }
                }
                try await Self.lookUp(replicas, account, untilOwnShares: false)
                // A busy machine may send late. Two replicas with the whole rate would cause many more.
                #expect(sandbox.requestCounts.rateLimited <= 5)
            }
        }
    }

    @Test("No lookup fails, and the rate is kept, while Redis evicts keys at random")
    func eviction() async throws {
        let options = ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random"]
        try await RedisServer.with(options: options) { redis in
            try await Self.with(redis) { sandbox, replicas in
                let account = AccountID(literal: sandbox.accounts.id(of: 0))
                try await Self.lookUp(replicas, account, untilOwnShares: false)
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for replica in replicas {
                        tasks.addTask {
                            for _ in 0..<40 {
                                _ = try await replica.billing(of: account, under: nil, for: .interactive)
                            }
                        }
                    }
                    tasks.addTask {
                        // Twice as much as fits, again and again.
                        for round in 0..<10 {
                            await redis.run(
                                "EVAL",
                                "for i = 1, 300 do redis.call('SET', ARGV[1] .. i, string.rep('x', 20000)) end", "0",
                                "other-\(round)-")
                        }
                    }
                    try await tasks.waitForAll()
                }
                let evicted = await redis.run("INFO", "stats").split(whereSeparator: \.isNewline)
                    .first { $0.hasPrefix("evicted_keys:") }
                #expect(evicted != nil && evicted?.hasPrefix("evicted_keys:0") == false)
                #expect(sandbox.requestCounts.rateLimited <= 5)
                try await Self.lookUp(replicas, account, untilOwnShares: false)
            }
        }
    }
}
