import Adapters
import Domain
import DomainFakes
import Logging
import NIOCore
import NIOPosix
import Testing

@Suite("Redis Cluster", .timeLimit(.minutes(10)))
struct RedisClusterTests {
    private static let limit = Duration.seconds(20)

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("each command goes to the node of its key, and the replies have the order of the commands")
    func commands() async throws {
        try await TestRedisCluster.with { cluster in
            try await cluster.primaries[1].withClient { client in
                let keys = (0..<300).map { "key-\($0)" }
                let limit = Self.limit
                let stored = try await client.call(keys.map { RedisCommand("SET", $0, "of " + $0) }, within: limit)
                #expect(stored.allSatisfy { $0 == .ok })
                let found = try await client.call(
                    [RedisCommand("PING")] + keys.map { RedisCommand("GET", $0) }, within: limit)
                #expect(found == [.text("PONG")] + keys.map { .text("of " + $0) })
                for node in cluster.primaries {
                    let count = try #require(Int(await node.run("DBSIZE")))
                    #expect(count > 50)
                }
                let script = RedisScript(name: "get", source: "return redis.call('GET', KEYS[1])")
                for key in keys.prefix(20) {
                    let reply = try await client.run(
                        script, keys: [Self.bytes(key)], arguments: [], within: limit)
                    #expect(reply == .text("of " + key))
                }
                let names = try await client.callEachServer([RedisCommand("CLUSTER", "MYID")], within: limit)
                #expect(Set(names.compactMap { $0[0].string }).count == 3)
                // Keys of two slots in one command are an error of the caller.
                await #expect(throws: RedisFailure.self) {
                    try await client.call(RedisCommand("MGET", "{a}", "{b}"), within: limit)
                }
            }
        }
    }

    @Test("what replicas share passes its contracts in a cluster")
    func contracts() async throws {
        try await TestRedisCluster.with { cluster in
            try await RedisServer.$clusterNode.withValue(cluster.primaries[2]) {
                let keys = IdempotencyStoreContract()
                try await keys.finished(kind: .redis)
                try await keys.operations(kind: .redis)
                try await keys.running(kind: .redis)
                try await keys.separate(kind: .redis)
                try await keys.concurrent(kind: .redis)
                try await keys.released(kind: .redis, isSending: true)
                try await keys.once(kind: .redis)
                try await keys.unsent(kind: .redis)
                try await keys.unknown(kind: .redis)
                try await keys.resolved(kind: .redis)
                try await keys.removed(kind: .redis)
                try await keys.expired(kind: .redis)
                try await keys.cancelled(kind: .redis)
                let answers = SharedAnswersContract()
                try await answers.stored(kind: .sealedRedis)
                try await answers.ages(kind: .redis)
                try await answers.order(kind: .redis)
                try await answers.change(kind: .redis, phase: .ended)
                try await answers.parameters(kind: .redis)
                try await answers.claims(kind: .redis)
                try await answers.many(kind: .redis)
                let lists = RedisAccountListsTests()
                try await lists.claims()
                let tokens = SharedTokensTests()
                try await tokens.right()
            }
        }
    }

    @Test("while a slot moves to another node, every command runs once")
    func migration() async throws {
        try await TestRedisCluster.with { cluster in
            let (source, target) = (cluster.primaries[1], cluster.primaries[0])
            let slot = await source.run("CLUSTER", "KEYSLOT", "{c}")
            let names = (await source.run("CLUSTER", "MYID"), await target.run("CLUSTER", "MYID"))
            try await source.withClient { client in
                let limit = Self.limit
                let counting = Task {
                    var count: Int64 = 0
                    while !Task.isCancelled {
                        let replies = try await client.call(
                            ["{c}", "{a}", "{b}"].map { RedisCommand("INCR", $0) }, within: limit)
                        count += 1
                        #expect(replies.allSatisfy { $0 == .integer(count) }, "\(replies)")
                    }
                }
                func count() async throws -> Int64 {
                    try await client.call(RedisCommand("GET", "{a}"), within: limit).integer ?? 0
                }
                /// Waits for two calls, of which the second began after this call.
                func next() async throws {
                    let last = try await count()
                    while try await count() < last + 2 {}
                }
                try await next()
                await target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", names.0)
                await source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", names.1)
                // A new key is created at the target, after ASK.
                #expect(try await client.call(RedisCommand("SET", "{c}:new", "1"), within: limit) == .ok)
                #expect(await source.run("DBSIZE") == "1")
                // One of two keys has moved.
                await #expect(throws: RedisFailure.unavailable) {
                    try await client.call(RedisCommand("MGET", "{c}", "{c}:new"), within: limit)
                }
                try await next()
                await source.run("MIGRATE", "127.0.0.1", "\(target.port)", "{c}", "0", "5000")
                try await next()
                for node in [target, source, cluster.primaries[2]] {
                    await node.run("CLUSTER", "SETSLOT", slot, "NODE", names.1)
                }
                try await next()
                counting.cancel()
                let result = await counting.result
                // The last call may have been cancelled.
                if case .failure(let error) = result { #expect(error as? RedisFailure == .cancelled) }
                #expect(await source.run("DBSIZE") == "0")
                #expect(
                    try await client.call(RedisCommand("MGET", "{c}:new", "{c}:absent"), within: limit)
                        == .array([.text("1"), .null]))
            }
        }
    }

    @Test("when a primary is killed, the others can be used, and its replica takes over; the subscription moves")
    func failover() async throws {
        try await TestRedisCluster.with(hasSpare: true) { cluster in
            let killed = cluster.primaries[1]
            try await cluster.replicate(killed)
            try await cluster.primaries[0].withClient { client in
                let limit = Self.limit
                let events = Event<RedisSubscription.Event>()
                let subscription = RedisSubscription(
                    client, channels: [Self.bytes("news")], group: .singleton, time: SystemTime(), logger: .silent
                ) { events.fire($0) }
                let receiving = Task { try await subscription.run() }
                guard case .connected = try await events.next() else {
                    throw Expected(text: "a subscription", location: #_sourceLocation)
                }
                for key in ["{a}", "{b}", "{c}"] {
                    #expect(try await client.call(RedisCommand("SET", key, "before"), within: limit) == .ok)
                }
                try await cluster.spare?.wait(for: "1", in: "DBSIZE")
                await killed.kill()
                #expect(try await events.next() == .lost)
                guard case .connected = try await events.next() else {
                    throw Expected(text: "a subscription", location: #_sourceLocation)
                }
                guard case .partlyConnected(let reason, _) = client.connection else {
                    throw Expected(text: "a part of the cluster, not \(client.connection)", location: #_sourceLocation)
                }
                #expect(reason.contains("1 of 3 nodes cannot be used, one is 127.0.0.1:\(killed.port)"), "\(reason)")
                #expect(client.isConnected)
                let replies = try await client.call(
                    ["{a}", "{c}", "{b}"].map { RedisCommand("GET", $0) }, within: limit)
                #expect(replies[0] == .text("before") && replies[2] == .text("before"))
                await #expect(throws: RedisFailure.unavailable) {
                    try await client.call(RedisCommand("SET", "{c}", "during"), within: limit)
                }
                #expect(await client.waitUntilConnected(to: Self.bytes("{c}"), within: limit))
                #expect(await client.waitUntilConnected(within: limit))
                let found = try await client.call(RedisCommand("GET", "{c}"), within: limit)
                #expect(found == .text("before"))
                #expect(try await client.call(RedisCommand("SET", "{c}", "after"), within: limit) == .ok)
                // The old primary comes back as a replica.
                try await killed.start()
                try await killed.wait(for: "slave", in: "ROLE")
                #expect(try await client.call(RedisCommand("GET", "{c}"), within: limit) == .text("after"))
                // A message of another node than that of the subscription.
                for node in cluster.primaries { await node.run("PUBLISH", "news", "1") }
                for _ in cluster.primaries {
                    #expect(try await events.next() == .message(channel: Self.bytes("news"), payload: .text("1")))
                }
                subscription.close()
                try await receiving.value
            }
        }
    }

    @Test("a cluster that was restarted on other ports is found through the other addresses of the configuration")
    func otherPorts() async throws {
        try await TestRedisCluster.with { cluster in
            let moved = cluster.primaries.map { $0.atOtherPort() }
            let old = cluster.primaries[0]
            try await old.withClient({ $0.addresses = [old.address, moved[0].address] }) { client in
                for node in cluster.primaries { await node.kill() }
                while client.isConnected { try Task.checkCancellation() }
                do {
                    for node in moved { try await node.start() }
                    try await TestRedisCluster.meet(moved)
                    #expect(await client.waitUntilConnected(within: Self.limit))
                    for key in ["{a}", "{b}", "{c}"] {
                        #expect(try await client.call(RedisCommand("SET", key, "1"), within: Self.limit) == .ok)
                    }
                } catch {
                    for node in moved { await node.kill() }
                    throw error
                }
                for node in moved { await node.kill() }
            }
        }
    }

    @Test("if the user may not read the slots of a cluster, the log has the reason")
    func hidden() async throws {
        try await TestRedisCluster.with { cluster in
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            await cluster.primaries[0].run("ACL", "SETUSER", "default", "-cluster")
            try await cluster.primaries[0].withClient(logger: logger) { client in
                _ = try await lines.next()
                _ = try? await client.call(RedisCommand("GET", "{a}"), within: Self.limit)
                #expect(try await lines.next().contains("its ACL does not permit the user to call CLUSTER SLOTS"))
            }
        }
    }
}
