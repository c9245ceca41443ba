import Adapters
import Domain
import Testing

/// What the contract does not say: leases, and a Redis that is away or loses its data.
@Suite("Idempotency keys in Redis", .timeLimit(.minutes(10)))
struct RedisIdempotencyStoreTests {
    private static let sample = KeyedRequest.sample()

    @Test("when a lease ends, a claimed key is free and a sending key is unknown; the old claims can change nothing")
    func ended() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server, lease: .seconds(2)) { store in
                let (claimed, sending) = try (CallerKey("claimed"), CallerKey("sending"))
                let (first, second) = try await (store.claimed(claimed), store.claimed(sending))
                try await store.willSend(second)
                while try await store.state(of: claimed) != nil { try Task.checkCancellation() }
                while try await store.state(of: sending) != .unknown { try Task.checkCancellation() }
                let new = try await store.claimed(claimed)
                #expect(new.fencingToken != first.fencingToken)
                await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(first) }
                // The outcome arrives after all.
                try await store.finish(second, with: .done(nil), at: .start)
                let state = try await store.state(of: sending)
                #expect(state == .finished(.done(nil)))
            }
        }
    }

    @Test("a lease is renewed while its write runs")
    func renewed() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server, lease: .seconds(2)) { store in
                let key = try CallerKey("key")
                try await store.willSend(try await store.claimed(key))
                let name = await server.run("KEYS", "*")
                let before = Int64(await server.run("HGET", name, "l"))
                await store.maintain()
                let after = Int64(await server.run("HGET", name, "l"))
                let (first, second) = try (#require(before), #require(after))
                #expect(second > first)
            }
        }
    }

    @Test("a key that Redis has lost is stored again while its write runs, as sending")
    func lost() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server) { store in
                let key = try CallerKey("key")
                let claim = try await store.claimed(key)
                try await store.willSend(claim)
                await server.run("FLUSHALL")
                await store.maintain()
                let state = try await store.state(of: key)
                #expect(state == .running)
                #expect(await server.run("HGET", server.run("KEYS", "*"), "s") == "sending")
                try await store.finish(claim, with: .done(nil), at: .start)
            }
        }
    }

    @Test(
        "the outcome of a write is recorded also if Redis has lost its key, and after a claim that was not sent it is not"
    )
    func outcomeOfLostKey() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server) { store in
                let (key, unknown, unsent) = try (CallerKey("key"), CallerKey("unknown"), CallerKey("unsent"))
                let claims = try await (store.claimed(key), store.claimed(unknown), store.claimed(unsent))
                try await store.willSend(claims.0)
                try await store.willSend(claims.1)
                await server.run("FLUSHALL")
                try await store.finish(claims.0, with: .done(nil), at: .start)
                try await store.leaveUnknown(claims.1)
                await #expect(throws: BillingFailure.stateUnavailable) {
                    try await store.finish(claims.2, with: .done(nil), at: .start)
                }
                let states = try await (store.state(of: key), store.state(of: unknown), store.state(of: unsent))
                #expect(states.0 == .finished(.done(nil)) && states.1 == .unknown && states.2 == nil)
            }
        }
    }

    @Test("a write may be sent until its lease has nearly ended, and longer if it is renewed")
    func lease() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server, lease: .seconds(3)) { store in
                let claim = try await store.claimed(CallerKey("key"))
                #expect(!store.maySend(claim))
                try await store.willSend(claim)
                #expect(store.maySend(claim))
                while store.maySend(claim) { await Task.yield() }
                await store.maintain()
                #expect(store.maySend(claim))
                await store.release(claim)
                #expect(!store.maySend(claim))
            }
        }
    }

    @Test("without Redis, calls fail as unavailable within two seconds; outcomes are recorded when it is back")
    func away() async throws {
        try await RedisServer.with(options: ["--appendonly", "yes"]) { server in
            try await server.withClient { client in
                let store = RedisIdempotencyStore(
                    client, window: StoreKind.window, time: SystemTime(), logger: .silent)
                let (key, other) = try (CallerKey("key"), CallerKey("other"))
                let (claim, released) = try await (store.claimed(key), store.claimed(other))
                try await store.willSend(claim)
                await server.kill()
                let began = ContinuousClock.now
                await #expect(throws: BillingFailure.stateUnavailable) {
                    try await store.finish(claim, with: .done(nil), at: .start)
                }
                await store.release(released)
                await #expect(throws: BillingFailure.stateUnavailable) {
                    _ = try await store.claim(CallerKey("new"), for: Self.sample, at: .start)
                }
                // Three calls take 6 seconds. A busy machine needs more; without a timeout they would never end.
                #expect(ContinuousClock.now - began < .seconds(30))
                #expect(store.problem != nil)
                try await server.start()
                #expect(await client.waitUntilConnected(within: .seconds(30)))
                let states = try await (store.state(of: key), store.state(of: other))
                #expect(states.0 == .finished(.done(nil)) && states.1 == nil && store.problem == nil)
            }
        }
    }

    @Test("a key of a later version is not touched")
    func version() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server) { store in
                let key = try CallerKey("key")
                _ = try await store.claimed(key)
                let name = await server.run("KEYS", "*")
                await server.run("HSET", name, "v", "2")
                await #expect(throws: BillingFailure.stateUnavailable) {
                    _ = try await store.claim(key, for: Self.sample, at: .start)
                }
                await #expect(throws: BillingFailure.stateUnavailable) { _ = try await store.remove(key) }
                #expect(await server.run("HGET", name, "v") == "2")
            }
        }
    }

    @Test("a full Redis refuses claims, and records the outcomes of the writes that were sent")
    func full() async throws {
        try await RedisServer.with(options: ["--maxmemory-policy", "noeviction"]) { server in
            try await StoreKind.withRedis(server) { store in
                let key = try CallerKey("key")
                let claim = try await store.claimed(key)
                try await store.willSend(claim)
                await server.run("CONFIG", "SET", "maxmemory", "1")
                await #expect(throws: BillingFailure.stateUnavailable) {
                    _ = try await store.claim(CallerKey("new"), for: Self.sample, at: .start)
                }
                #expect(store.problem == "Redis answered OOM")
                try await store.finish(claim, with: .done(nil), at: .start)
                let state = try await store.state(of: key)
                #expect(state == .finished(.done(nil)))
            }
        }
    }

    @Test(
        "Redis promises that keys survive only with a synced append-only file and without eviction",
        arguments: [
            (["--appendonly", "yes", "--appendfsync", "always"], true),
            (["--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "1gb"], true),
            (
                [
                    "--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "1gb", "--maxmemory-policy",
                    "volatile-lru",
                ], false
            ), (["--appendonly", "yes", "--appendfsync", "everysec"], false), ([], false),
        ])
    func durable(options: [String], isDurable: Bool) async throws {
        try await RedisServer.with(options: options) { server in
            try await StoreKind.withRedis(server) { store in
                let found = await store.isDurable
                #expect(found == isDurable)
                await server.kill()
                while await store.isDurable { try Task.checkCancellation() }
            }
            try await server.start()
            await server.run("ACL", "SETUSER", "default", "-config")
            try await StoreKind.withRedis(server) { store in
                let found = await store.isDurable
                #expect(!found)
            }
        }
    }

    @Test("neither the key nor the caller is readable in Redis")
    func names() async throws {
        try await RedisServer.with { server in
            try await StoreKind.withRedis(server) { store in
                try await store.finished(CallerKey("order-4711-secret", caller: "shop-secret"))
                let name = await server.run("KEYS", "*")
                let content = await server.run("HGETALL", name)
                #expect(name.hasPrefix("billing:key:{") && !(name + content).contains("secret"))
            }
        }
    }
}
