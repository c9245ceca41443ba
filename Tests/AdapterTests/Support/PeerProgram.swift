import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Somebody else's program that listens on a port.
enum PeerProgram {
    private static let nextPort = Atomic(Int.random(in: 15_000..<25_000))

    /// A port nobody listens on, for programs that cannot be told to choose one and say which. It is below those that the
    /// system chooses for whoever lets it (ip(7)), so that no other test is given it meanwhile.
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
        if case .failure = result { Issue.record("\(program) said \(outcome.errors) \(outcome.output)") }
        try result.get()
    }

    private static func waitForPort(_ port: Int) async throws {
        let outcome = await TestProcess.run(
            "curl",
            [
                "--silent", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "--output", "/dev/null",
                "http://127.0.0.1:\(port)/",
            ])
        // It is there, whatever it says to that.
        try #require(outcome.status != 7, "nobody listens on \(port)")
    }
}
