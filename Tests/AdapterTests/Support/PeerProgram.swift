import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A third-party program that listens on a port.
enum PeerProgram {
    private static let nextPort = Atomic(Int.random(in: 15_000..<25_000))

    /// A free port, for programs that cannot choose one themselves and report it. It is below the ephemeral port range
    /// (`ip_local_port_range`, ip(7)), so that the system does not assign it to another test meanwhile.
    static func freePort() async throws -> Int {
        while true {
            let port = nextPort.add(1, ordering: .relaxed).newValue
            let bound = try? await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.1", port: port).get()
            guard let bound else { continue }
            try await bound.close()
            return port
        }
    }

    /// Runs a program while `test` runs.
    static func running(
        _ program: String, _ arguments: [String], listeningOn port: Int, _ test: () async throws -> Void
    ) async throws {
        let process = TestProcess(program, arguments)
        let result: Result<Void, any Error>
        do {
            try await waitForPort(port)
            try await test()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        process.signal(SIGTERM)
        let outcome = await process.outcome()
        if case .failure = result { Issue.record("\(program) printed \(outcome.errors) \(outcome.output)") }
        try result.get()
    }

    private static func waitForPort(_ port: Int) async throws {
        let outcome = await TestProcess.run(
            "curl",
            [
                "--silent", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "--output", "/dev/null",
                "http://127.0.0.1:\(port)/",
            ])
        // Any response proves that the program listens. 7 is curl's "failed to connect".
        try #require(outcome.status != 7, "nobody listens on \(port)")
    }
}
