import Adapters
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Defence log", .timeLimit(.minutes(10)))
struct DefenceLogTests {
    @Test("a line names the last peer that a defence acted against, if known")
    func peer() throws {
        let lines = Mutex<[String]>([])
        let log = DefenceLog(
            logger: Logger(label: "test") { _ in LineLogHandler { line in lines.withLock { $0.append(line) } } })
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::3"] {
            log.triggered(.resets, against: try SocketAddress(ipAddress: address, port: 4711), at: start)
        }
        log.logWithheld(at: start + .seconds(1))
        #expect(
            lines.withLock { $0 } == [
                "defence triggered count=1 peer=192.0.2.1 reason=resets total=1",
                "defence triggered count=2 peer=2001:db8::3 reason=resets total=3",
            ])
    }

    @Test("the log of the service names the peer of a connection")
    func peerOfConnection() async throws {
        try await RunningService.with { service in
            // Not HTTP.
            _ = await TestProcess.run(
                "python3",
                [
                    "-c",
                    """
                    import socket, sys
                    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                    connection.sendall(b"nonsense\\r\\n\\r\\n")
                    connection.recv(1)
                    """, "\(service.port)",
                ])
            let log = try await service.process.errors(containing: "defence triggered")
            let line = try #require(log.split(separator: "\n").first { $0.contains("defence triggered") })
            #expect(line.contains("protocol-errors") && line.contains("127.0.0.1"))
        }
    }

    @Test("every action is counted, and each defence logs at most once a second with the actions since")
    func log() {
        let lines = Mutex<[String]>([])
        let log = DefenceLog(
            logger: Logger(label: "test") { _ in LineLogHandler { line in lines.withLock { $0.append(line) } } })
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        for milliseconds in stride(from: Int64(0), through: 2500, by: 10) {
            log.triggered(.resets, at: start + .milliseconds(milliseconds))
        }
        log.triggered(.overhead, at: start)
        log.logWithheld(at: start + .milliseconds(2900))
        // The actions in the second that has begun are logged when it ends.
        log.logWithheld(at: start + .seconds(3))
        log.logWithheld(at: start + .seconds(10))
        #expect(log.count(of: .resets) == 251 && log.count(of: .overhead) == 1 && log.count(of: .continuations) == 0)
        #expect(
            lines.withLock { $0 } == [
                "defence triggered count=1 reason=resets total=1",
                "defence triggered count=100 reason=resets total=101",
                "defence triggered count=100 reason=resets total=201",
                "defence triggered count=1 reason=overhead total=1",
                "defence triggered count=50 reason=resets total=251",
            ])
    }
}
