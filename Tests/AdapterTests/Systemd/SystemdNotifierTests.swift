import Foundation
import Testing

@Suite("systemd notifications", .timeLimit(.minutes(10)))
struct SystemdNotifierTests {
    @Test("systemd receives READY, WATCHDOG keep-alives and STOPPING")
    func notices() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/notify"
            let script = """
                import socket
                heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                heard.bind("\(path)")
                print("bound", flush=True)
                while (notice := heard.recv(4096).decode()) != "end": print(notice.replace("\\n", "; "), flush=True)
                """
            let systemd = TestProcess("python3", ["-c", script])
            _ = try await systemd.output(containing: "bound\n")
            let environment = ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"]
            try await RunningService.with(environment: environment) { service in
                let began = try await systemd.output(containing: "READY=1; STATUS=serving\n")
                #expect(began.hasPrefix("bound\nREADY=1"))
                _ = try await systemd.output(containing: "WATCHDOG=1\nWATCHDOG=1\nWATCHDOG=1\n")
                service.process.signal(SIGTERM)
                _ = try await systemd.output(containing: "STOPPING=1; STATUS=shutting down\n")
                #expect(await service.process.outcome().status == 0)
            }
            systemd.signal(SIGTERM)
            _ = await systemd.outcome()
        }
    }

    @Test("the service starts without systemd's notification socket")
    func nobody() async throws {
        for path in ["/nowhere/at/all", "relative", "@abstract"] {
            try await RunningService.with(environment: ["NOTIFY_SOCKET": path]) { service in
                #expect(await service.curl(service.accountPath).status == 0)
            }
        }
    }
}
