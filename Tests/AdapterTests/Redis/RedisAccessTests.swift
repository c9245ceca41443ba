import Adapters
import Foundation
import Logging
import NIOCore
import Testing

@Suite("Redis: users, passwords and TLS", .timeLimit(.minutes(10)))
struct RedisAccessTests {
    private static let limit = Duration.seconds(20)

    private static func recorder() -> (Logger, Event<String>) {
        let lines = Event<String>()
        return (Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }, lines)
    }

    @Test("a wrong password is reported once and without the password; a rotated password is read again")
    func password() async throws {
        try await RedisServer.with(options: ["--requirepass", "right-secret"]) { server in
            let (logger, lines) = Self.recorder()
            let path = server.folder + "/password"
            try write("wrong-secret", to: path)
            try await server.withClient(
                isAwaited: false, logger: logger,
                { $0.password = { try String(contentsOfFile: path, encoding: .utf8) } }
            ) { client in
                let line = try await lines.next()
                #expect(
                    line
                        == "Redis cannot be used address=127.0.0.1:\(server.port) reason=it refused the user name and password"
                )
                try write("right-secret", to: path)
                #expect(try await lines.next().hasPrefix("connected to Redis"))
                #expect(try await client.call(RedisCommand("PING"), within: Self.limit) == .text("PONG"))
            }
        }
    }

    @Test("without a password that the server demands, the reason is named; an unreadable file as well")
    func missingPassword() async throws {
        try await RedisServer.with(options: ["--requirepass", "secret"]) { server in
            let (logger, lines) = Self.recorder()
            try await server.withClient(isAwaited: false, logger: logger) { _ in
                let line = try await lines.next()
                #expect(line.hasSuffix("reason=it demands a user name and a password"))
            }
            struct Unreadable: Error, CustomStringConvertible { let description = "no such file" }
            try await server.withClient(isAwaited: false, logger: logger, { $0.password = { throw Unreadable() } }) {
                _ in
                let line = try await lines.next()
                #expect(line.hasSuffix("reason=no such file"))
            }
        }
    }

    @Test("a password that is changed while the client is connected shows at the next command or connection")
    func revoked() async throws {
        try await RedisServer.with { server in
            try await server.withClient { client in
                await server.run("CONFIG", "SET", "requirepass", "secret")
                await server.run("-a", "secret", "CLIENT", "KILL", "TYPE", "normal")
                while client.isConnected { try Task.checkCancellation() }
                #expect(await !client.waitUntilConnected(within: .milliseconds(200)))
                #expect("\(client.connection)".contains("it demands a user name and a password"))
            }
        }
    }

    @Test("a user without a command gets NOPERM for it and can call the others")
    func acl() async throws {
        try await RedisServer.with { server in
            await server.run(
                "ACL", "SETUSER", "billing", "on", ">user-secret", "~billing:*", "+@all", "-role", "-client", "-get",
                "-evalsha")
            try await server.withClient({
                $0.user = "billing"; $0.password = { "user-secret" }
            }) { client in
                let reply = try await client.call(RedisCommand("SET", "billing:a", "1"), within: Self.limit)
                #expect(reply == .ok)
                for (command, text) in [
                    (RedisCommand("GET", "billing:a"), "get"), (RedisCommand("SET", "other", "1"), "key"),
                ] {
                    let failure = await #expect(throws: RedisFailure.self) {
                        _ = try await client.call(command, within: Self.limit)
                    }
                    guard case .refused(let error) = failure else { continue }
                    #expect(error.code == "NOPERM" && error.message.contains(text) && "\(error)" == "NOPERM")
                }
                #expect(client.isConnected)
            }
        }
    }

    @Test("a database that does not exist is reported, and another one is selected")
    func database() async throws {
        try await RedisServer.with { server in
            let (logger, lines) = Self.recorder()
            try await server.withClient(isAwaited: false, logger: logger, { $0.database = 99 }) { _ in
                let line = try await lines.next()
                #expect(line.hasSuffix("reason=it answered SELECT with ERR"))
            }
            try await server.withClient({ $0.database = 3 }) { client in
                _ = try await client.call(RedisCommand("SET", "a", "1"), within: Self.limit)
            }
            #expect(await server.run("-n", "3", "GET", "a") == "1")
        }
    }

    @Test("TLS: the certificate is verified, and commands and replies pass")
    func tls() async throws {
        try await TestCertificates.with { certificates in
            try await RedisServer.withTLS(certificates) { server in
                let trusting = try TLSContext(clientTrusting: certificates.ca, offering: [])
                let other = try TLSContext(clientTrusting: certificates.otherCA, offering: [])
                try await server.withClient({ $0.tls = trusting }) { client in
                    let large = [UInt8](repeating: 0x61, count: 500_000)
                    let reply = try await client.call(RedisCommand("ECHO", [large]), within: Self.limit)
                    #expect(reply == .text(large))
                }
                let (logger, lines) = Self.recorder()
                try await server.withClient(isAwaited: false, logger: logger, { $0.tls = other }) { _ in
                    let line = try await lines.next()
                    #expect(line.contains("is not trusted"))
                }
                // A client without TLS.
                try await server.withClient(isAwaited: false, logger: logger) { _ in
                    let line = try await lines.next()
                    #expect(line.hasPrefix("Redis cannot be used"))
                }
            }
            try await RedisServer.withTLS(certificates, certificates.stranger) { server in
                let (logger, lines) = Self.recorder()
                let trusting = try TLSContext(clientTrusting: certificates.ca, offering: [])
                try await server.withClient(isAwaited: false, logger: logger, { $0.tls = trusting }) { _ in
                    let line = try await lines.next()
                    #expect(line.contains("for another host name"))
                }
            }
        }
    }
}
