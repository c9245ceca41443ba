import Adapters
import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A redis-server on a port of 127.0.0.1, with a folder that is removed after the test.
final class RedisServer: Sendable {
    let port: Int
    let folder: String
    private let options: [String]
    private let isTLS: Bool
    private let isNode: Bool
    private let process = Mutex<TestProcess?>(nil)

    private init(port: Int, folder: String, options: [String]) {
        self.port = port
        self.folder = folder
        self.options = options
        isTLS = options.contains("--tls-cert-file")
        isNode = options.contains("--cluster-enabled")
    }

    /// Starts a server and kills it after `test`.
    ///
    /// - Parameter options: Options of redis-server, such as `["--appendonly", "yes"]`.
    static func with(
        options: [String] = [], _ test: (RedisServer) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "billing-redis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await started(options, in: folder.path(percentEncoded: false))
        let result: Result<Void, any Error>
        do {
            result = .success(try await test(server))
        } catch {
            result = .failure(error)
        }
        await server.kill()
        try result.get()
    }

    /// A node of a cluster, which tests of this task use instead of a new server.
    @TaskLocal static var clusterNode: RedisServer?

    /// Passes a new server, or the node of a cluster without data, to `test`.
    static func withoutData(_ test: (RedisServer) async throws -> Void) async throws {
        guard let node = clusterNode else { return try await with(test) }
        try await node.withClient { client in
            _ = try await client.callEachServer([RedisCommand("FLUSHALL")], within: .seconds(20))
        }
        try await test(node)
    }

    /// Starts a server with the certificate of `certificates`, without client certificates.
    static func withTLS(
        _ certificates: TestCertificates, _ files: ServerCertificate.Files? = nil,
        _ test: (RedisServer) async throws -> Void
    ) async throws {
        let files = files ?? certificates.server
        try await with(
            options: [
                "--tls-cert-file", files.certificate, "--tls-key-file", files.key, "--tls-ca-cert-file",
                certificates.ca, "--tls-auth-clients", "no",
            ], test)
    }

    /// Below the range of the ports that the system chooses, so that a port is still free after a restart.
    private static var randomPort: Int { .random(in: 22_000..<32_000) }

    private static let isReady = "Ready to accept connections"

    private static func started(_ options: [String], in folder: String) async throws -> RedisServer {
        for _ in 0..<5 {
            let server = RedisServer(port: randomPort, folder: folder, options: options)
            // Another program may have the port.
            if try await server.startLoading().prints(isReady) { return server }
        }
        let server = RedisServer(port: randomPort, folder: folder, options: options)
        try await server.start()
        return server
    }

    /// The port for the other nodes of a cluster. No server has it as its port.
    var busPort: Int { port - 10_000 }

    /// The server with its folder and another port, before its start.
    func atOtherPort() -> RedisServer {
        RedisServer(port: Self.randomPort, folder: folder, options: options)
    }

    /// Starts the server on its port and with its folder, and waits until it has loaded its data.
    func start() async throws {
        _ = try await startLoading().output(containing: Self.isReady)
    }

    /// Starts the server and does not wait.
    @discardableResult func startLoading() -> TestProcess {
        let ports = isTLS ? ["--port", "0", "--tls-port", "\(port)"] : ["--port", "\(port)"]
        let bus = isNode ? ["--cluster-port", "\(busPort)"] : []
        let started = TestProcess(
            "redis-server", ports + bus + ["--bind", "127.0.0.1", "--dir", folder, "--save", ""] + options)
        process.withLock { $0 = started }
        return started
    }

    /// Ends the server as an operator does, and waits for its end.
    func stop() async { await end(SIGTERM) }

    /// Kills the server and waits for its end.
    func kill() async { await end(SIGKILL) }

    private func end(_ signal: Int32) async {
        guard let process = process.withLock({ $0 }) else { return }
        process.signal(signal)
        _ = await process.outcome()
    }

    /// Stops the process until `resume`. The system still accepts connections for it.
    func pause() { process.withLock { $0 }?.signal(SIGSTOP) }

    func resume() { process.withLock { $0 }?.signal(SIGCONT) }

    /// Runs a command by redis-cli and returns its output.
    @discardableResult
    func run(_ arguments: String...) async -> String {
        let tls = isTLS ? ["--tls", "--insecure"] : []
        let outcome = await TestProcess.run(
            "redis-cli", ["-h", "127.0.0.1", "-p", "\(port)", "--no-auth-warning"] + tls + arguments)
        return outcome.output.trimmingCharacters(in: .newlines)
    }

    var address: RedisConfiguration.Address { RedisConfiguration.Address(host: "127.0.0.1", port: port) }

    /// Runs a command again and again until its output contains `text`.
    func wait(for text: String, in arguments: String...) async throws {
        try await whileRepeating(arguments, everySeconds: 0.05) { _ = try await $0.output(containing: text) }
    }

    /// Makes this replica the primary of its slots. The command is repeated, since Redis gives up after five seconds, which a
    /// busy machine may need.
    func takeOver() async throws {
        try await whileRepeating(["CLUSTER", "FAILOVER"], everySeconds: 6) { _ in
            try await wait(for: "master", in: "ROLE")
        }
    }

    private func whileRepeating(
        _ command: [String], everySeconds interval: Double, _ test: (TestProcess) async throws -> Void
    ) async throws {
        let client = TestProcess(
            "redis-cli",
            ["-h", "127.0.0.1", "-p", "\(port)", "--no-auth-warning", "-r", "-1", "-i", "\(interval)"] + command)
        let result: Result<Void, any Error>
        do {
            result = .success(try await test(client))
        } catch {
            result = .failure(error)
        }
        client.signal(SIGKILL)
        _ = await client.outcome()
        try result.get()
    }

    /// Settings with short waits before an attempt to reconnect.
    var configuration: RedisConfiguration {
        var configuration = RedisConfiguration(addresses: [address])
        configuration.backOffFirst = .milliseconds(10)
        configuration.backOffMax = .milliseconds(100)
        return configuration
    }

    /// Runs a client while `test` runs.
    ///
    /// - Parameter isAwaited: Whether `test` begins when the client is connected.
    func withClient(
        isAwaited: Bool = true, logger: Logger = .silent, _ change: (inout RedisConfiguration) -> Void = { _ in },
        _ test: (RedisClient) async throws -> Void
    ) async throws {
        var configuration = configuration
        change(&configuration)
        let client = RedisClient(
            configuration, group: .singleton, time: SystemTime(), metrics: .none, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            if isAwaited {
                let isConnected = await client.waitUntilConnected(within: .seconds(30))
                try #require(isConnected, "\(client.connection)")
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await test(client))
            } catch {
                result = .failure(error)
            }
            await client.close()
            try await tasks.waitForAll()
            try result.get()
        }
    }
}
