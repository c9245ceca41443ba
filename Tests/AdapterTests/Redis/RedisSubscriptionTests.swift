import Adapters
import NIOPosix
import Testing

@Suite("Redis subscription", .timeLimit(.minutes(10)))
struct RedisSubscriptionTests {
    private static func with(
        _ server: RedisServer, _ test: (Event<RedisSubscription.Event>) async throws -> Void
    ) async throws {
        let events = Event<RedisSubscription.Event>()
        let subscription = RedisSubscription(
            server.configuration, channels: [Array("news".utf8), Array("__redis__:invalidate".utf8)],
            group: .singleton, time: SystemTime(), logger: .silent
        ) { events.fire($0) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await subscription.run() }
            let result: Result<Void, any Error>
            do {
                result = .success(try await test(events))
            } catch {
                result = .failure(error)
            }
            subscription.close()
            try await tasks.waitForAll()
            try result.get()
        }
    }

    private static func connected(_ events: Event<RedisSubscription.Event>) async throws -> Int64 {
        let event = try await events.next()
        guard case .connected(let id?) = event else {
            throw Expected(text: "a connection, not \(event)", location: #_sourceLocation)
        }
        return id
    }

    @Test("messages arrive in order, and invalidations of a tracking connection")
    func messages() async throws {
        try await RedisServer.with { server in
            try await Self.with(server) { events in
                let id = try await Self.connected(events)
                for number in 0..<3 { await server.run("PUBLISH", "news", "\(number)") }
                for number in 0..<3 {
                    #expect(
                        try await events.next() == .message(channel: Array("news".utf8), payload: .text("\(number)")))
                }
                try await server.withClient { client in
                    let limit = Duration.seconds(20)
                    let track = RedisCommand("CLIENT", "TRACKING", "ON", "REDIRECT", "\(id)", "BCAST", "PREFIX", "a")
                    _ = try await client.call(track, within: limit)
                    await server.run("SET", "ab", "1")
                    let channel = Array("__redis__:invalidate".utf8)
                    #expect(try await events.next() == .message(channel: channel, payload: .array([.text("ab")])))
                    await server.run("FLUSHALL")
                    #expect(try await events.next() == .message(channel: channel, payload: .null))
                }
            }
        }
    }

    @Test("a killed server is noticed at once, and a restarted one is subscribed again")
    func killed() async throws {
        try await RedisServer.with { server in
            try await Self.with(server) { events in
                _ = try await Self.connected(events)
                await server.kill()
                #expect(try await events.next() == .lost)
                try await server.start()
                _ = try await Self.connected(events)
            }
        }
    }

    @Test("a server that stops answering is noticed within two seconds")
    func silence() async throws {
        try await RedisServer.with { server in
            try await Self.with(server) { events in
                _ = try await Self.connected(events)
                let began = ContinuousClock.now
                server.pause()
                #expect(try await events.next() == .lost)
                // Slack for a busy machine: without a timeout, TCP would notice it after a quarter of an hour.
                #expect(ContinuousClock.now - began < .seconds(30))
                server.resume()
                _ = try await Self.connected(events)
            }
        }
    }
}
