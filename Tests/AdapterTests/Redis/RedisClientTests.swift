import Adapters
import Logging
import NIOCore
import Testing

@Suite("Redis client", .timeLimit(.minutes(10)))
struct RedisClientTests {
    static let limit = Duration.seconds(20)

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("replies of every kind are read")
    func kinds() async throws {
        try await RedisServer.with { server in
            try await server.withClient { client in
                let limit = Self.limit
                func call(_ name: String, _ arguments: String...) async throws(RedisFailure) -> RedisValue {
                    try await client.call(RedisCommand(name, arguments.map { Self.bytes($0) }), within: limit)
                }
                #expect(try await call("SET", "a", "") == .ok)
                #expect(try await call("GET", "a") == .text(""))
                #expect(try await call("GET", "absent") == .null)
                #expect(try await call("INCRBY", "n", "-9223372036854775807") == .integer(-.max))
                #expect(try await call("MGET", "a", "absent") == .array([.text(""), .null]))
                #expect(try await call("KEYS", "nothing") == .array([]))
                let nested = try await call(
                    "EVAL", "return {1, {2, {}, {'x', {false}}}, redis.error_reply('ODD end')}", "0")
                let error = RedisValue.error(RedisErrorReply(code: "ODD", message: "end"))
                let inner = RedisValue.array([.integer(2), .array([]), .array([.text("x"), .array([.null])])])
                #expect(nested == .array([.integer(1), inner, error]))
                let all = (0...255).map { UInt8($0) }
                let large = [[UInt8]](repeating: all, count: 8192).flatMap { $0 }
                #expect(try await client.call(RedisCommand("SET", [all, large]), within: limit) == .ok)
                #expect(try await client.call(RedisCommand("GET", [all]), within: limit) == .text(large))
                await #expect(
                    throws: RedisFailure.refused(
                        RedisErrorReply(
                            code: "WRONGTYPE", message: "Operation against a key holding the wrong kind of value"))
                ) {
                    try await call("LPUSH", "a", "b")
                }
            }
        }
    }

    @Test("commands of concurrent calls get their own replies, in the order of each call")
    func pipelining() async throws {
        try await RedisServer.with { server in
            try await server.withClient { client in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for task in 0..<50 {
                        tasks.addTask {
                            for round in 0..<20 {
                                let commands = (0..<10).map { RedisCommand("ECHO", "\(task)-\(round)-\($0)") }
                                let replies = try await client.call(commands, within: Self.limit)
                                #expect(replies == (0..<10).map { .text("\(task)-\(round)-\($0)") })
                            }
                        }
                    }
                    try await tasks.waitForAll()
                }
            }
        }
    }

    @Test("an error reply of one of several commands is a value, and the others are answered")
    func errorInBatch() async throws {
        try await RedisServer.with { server in
            try await server.withClient { client in
                let commands = [
                    RedisCommand("SET", "a", "1"), RedisCommand("LPUSH", "a", "2"), RedisCommand("GET", "a"),
                ]
                let replies = try await client.call(commands, within: Self.limit)
                #expect(replies[0] == .ok && replies[2] == .text("1"))
                guard case .error(let error) = replies[1] else {
                    throw Expected(text: "an error", location: #_sourceLocation)
                }
                #expect(error.code == "WRONGTYPE" && error.description == "WRONGTYPE")
            }
        }
    }

    @Test("a call that times out does not shift the replies of later calls")
    func deadline() async throws {
        try await RedisServer.with { server in
            try await server.withClient({ $0.unanswered = .seconds(60) }) { client in
                server.pause()
                await #expect(throws: RedisFailure.timedOut) {
                    try await client.call(RedisCommand("ECHO", "late"), within: .milliseconds(50))
                }
                #expect(RedisFailure.timedOut.mayHaveRun && client.isConnected)
                async let next = client.call(RedisCommand("ECHO", "next"), within: Self.limit)
                server.resume()
                let reply = try await next
                #expect(reply == .text("next"))
            }
        }
    }

    @Test("a server that stops answering is disconnected, and connected again when it answers")
    func unanswered() async throws {
        try await RedisServer.with { server in
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            try await server.withClient(
                logger: logger,
                {
                    $0.unanswered = .milliseconds(400); $0.connect = .milliseconds(400)
                }
            ) { client in
                _ = try await lines.next()
                server.pause()
                // A PING of the idle client is not answered.
                #expect(try await lines.next().contains("reason=it does not answer"))
                await #expect(throws: RedisFailure.unavailable) {
                    try await client.call(RedisCommand("PING"), within: Self.limit)
                }
                guard case .disconnected = client.connection else {
                    throw Expected(text: "no connection", location: #_sourceLocation)
                }
                server.resume()
                while try await lines.next().hasPrefix("connected") == false {}
                #expect(try await client.call(RedisCommand("PING"), within: Self.limit) == .text("PONG"))
            }
        }
    }

    @Test("a call that waits for its reply when the server is killed fails as disconnected; a restart is noticed")
    func restart() async throws {
        try await RedisServer.with(options: ["--appendonly", "yes"]) { server in
            try await server.withClient { client in
                #expect(try await client.call(RedisCommand("SET", "a", "1"), within: Self.limit) == .ok)
                let waiting = Task { try await client.call(RedisCommand("BLPOP", "nothing", "0"), within: Self.limit) }
                while await !server.run("CLIENT", "LIST").contains("cmd=blpop") { try Task.checkCancellation() }
                await server.kill()
                await #expect(throws: RedisFailure.disconnected) { _ = try await waiting.value }
                #expect(RedisFailure.disconnected.mayHaveRun)
                try await server.start()
                #expect(await client.waitUntilConnected(within: Self.limit))
                #expect(try await client.call(RedisCommand("GET", "a"), within: Self.limit) == .text("1"))
            }
        }
    }

    @Test("a cancelled call ends at once, and its reply is discarded")
    func cancelled() async throws {
        try await RedisServer.with { server in
            try await server.withClient({ $0.unanswered = .seconds(60) }) { client in
                server.pause()
                let call = Task { try await client.call(RedisCommand("ECHO", "cancelled"), within: .seconds(600)) }
                call.cancel()
                await #expect(throws: RedisFailure.cancelled) { try await call.value }
                async let next = client.call(RedisCommand("ECHO", "next"), within: Self.limit)
                server.resume()
                let reply = try await next
                #expect(reply == .text("next"))
            }
        }
    }

    @Test("commands beyond the queue's limits are refused at once, and accepted when others were answered")
    func overloaded() async throws {
        try await RedisServer.with { server in
            try await server.withClient({
                $0.queueCommandsMax = 10; $0.queueBytesMax = 10_000; $0.unanswered = .seconds(60)
            }) { client in
                let commands = [RedisCommand](repeating: RedisCommand("PING"), count: 11)
                await #expect(throws: RedisFailure.overloaded) { try await client.call(commands, within: Self.limit) }
                let large = RedisCommand("ECHO", [[UInt8](repeating: 0x61, count: 10_000)])
                await #expect(throws: RedisFailure.overloaded) { try await client.call(large, within: Self.limit) }
                server.pause()
                await #expect(throws: RedisFailure.timedOut) {
                    try await client.call(Array(commands.prefix(10)), within: .milliseconds(20))
                }
                // The commands still occupy the queue, since their replies are outstanding.
                await #expect(throws: RedisFailure.overloaded) {
                    try await client.call(RedisCommand("PING"), within: Self.limit)
                }
                #expect(!RedisFailure.overloaded.mayHaveRun)
                server.resume()
                var replies: [RedisValue]?
                while replies == nil {
                    replies = try? await client.call(Array(commands.prefix(10)), within: Self.limit)
                }
                #expect(replies?.count == 10)
            }
        }
    }

    @Test("a script is sent once, and again after SCRIPT FLUSH")
    func scripts() async throws {
        try await RedisServer.with { server in
            try await server.withClient { client in
                let script = RedisScript(name: "pair", source: "return {KEYS[1], ARGV[1]}")
                for _ in 0..<3 {
                    let reply = try await client.run(
                        script, keys: [Self.bytes("k")], arguments: [Self.bytes("v")], within: Self.limit)
                    #expect(reply == .array([.text("k"), .text("v")]))
                }
                #expect(await server.run("INFO", "commandstats").contains("cmdstat_eval:calls=1,"))
                await server.run("SCRIPT", "FLUSH")
                _ = try await client.run(
                    script, keys: [Self.bytes("k")], arguments: [Self.bytes("v")], within: Self.limit)
                #expect(await server.run("INFO", "commandstats").contains("cmdstat_eval:calls=2,"))
            }
        }
    }

    @Test("without a server a call fails at once, and the state has the reason")
    func absent() async throws {
        try await RedisServer.with { server in
            await server.kill()
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            try await server.withClient(isAwaited: false, logger: logger) { client in
                #expect(try await lines.next().contains("refused the connection"))
                await #expect(throws: RedisFailure.unavailable) {
                    try await client.call(RedisCommand("PING"), within: .seconds(600))
                }
                guard case .disconnected(let reason, _) = client.connection else {
                    throw Expected(text: "no connection", location: #_sourceLocation)
                }
                #expect(reason == "127.0.0.1:\(server.port) refused the connection")
                #expect(await !client.waitUntilConnected(within: .milliseconds(10)))
                await client.close()
                await #expect(throws: RedisFailure.closed) {
                    try await client.call(RedisCommand("PING"), within: .seconds(600))
                }
            }
        }
    }

    @Test("a server that loads its data, and a replica, count as disconnected until they can be written to")
    func replica() async throws {
        try await RedisServer.with { primary in
            try await RedisServer.with { other in
                try await other.withClient({ $0.addresses = [other.address, primary.address] }) { client in
                    await other.run("REPLICAOF", "127.0.0.1", "\(primary.port)")
                    // READONLY shows that the server is a replica now. The client looks for the primary.
                    await #expect(throws: RedisFailure.self) {
                        try await client.call(RedisCommand("SET", "a", "1"), within: Self.limit)
                    }
                    while (try? await client.call(RedisCommand("SET", "a", "2"), within: Self.limit)) == nil {
                        #expect(await client.waitUntilConnected(within: Self.limit))
                    }
                    #expect(await primary.run("GET", "a") == "2")
                }
            }
        }
    }
}
