import Foundation
import Testing

@Suite("A shutdown", .fewAtATime, .timeLimit(.minutes(10)))
struct DrainTests {
    private static func status(_ url: String, _ options: String...) async -> String {
        await TestProcess.run(
            "curl", ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"] + options + [url]
        ).output
    }

    @Test("is told to probes at once, while connections are still taken")
    func readiness() async throws {
        try await RunningService.with(["--shutdown-delay", "1h"], expectedStatus: 1) { service in
            let port = String(try #require(service.ops.split(separator: ":").last))
            func health(_ flags: String...) async -> TestProcess.Outcome {
                await TestProcess.run(TestProcess.billingService, ["health", "--ops-port", port] + flags)
            }
            #expect(await Self.status(service.ops + "/readyz") == "200")
            #expect(await health().status == 0)
            service.process.signal(SIGTERM)
            try await service.process.errors(containing: "shutting down")
            #expect(await Self.status(service.ops + "/readyz") == "503")
            #expect(await Self.status(service.ops + "/livez") == "200")
            let unready = await health()
            #expect(unready.status == 1 && unready.errors.contains(#""name":"accepting","status":"failing""#))
            #expect(await health("--live").status == 0)
            let late = await service.curl(service.accountPath)
            #expect(late.status == 0 && late.output.contains("\"city\""))
            // Nobody waits for the rest of the delay.
            service.process.signal(SIGTERM)
            #expect(await service.process.outcome().status == 1)
            #expect(await health().status == 1)
        }
    }

    @Test("loses nothing under load: every request was answered, or never started")
    func load() async throws {
        try await RunningService.with(["--log-level", "debug"]) { service in
            let load = TestProcess(
                "h2load",
                [
                    "-n", "60000", "-c", "8", "-m", "16", "-H", service.authorization,
                    service.base + "/v2/accounts/no%20id/billing",
                ])
            _ = try await load.output(containing: "progress: 10% done")
            service.process.signal(SIGTERM)
            let report = await load.outcome().output
            let service = await service.process.outcome()
            #expect(service.status == 0)
            let answered = try #require(report.firstMatch(of: /0 2xx, 0 3xx, (\d+) 4xx, 0 5xx/)).output.1
            let taken = service.errors.split(separator: "\n").filter { $0.contains(#""message":"request""#) }.count
            #expect(Int(answered) == taken && taken > 0 && taken < 60_000)
        }
    }

    @Test("ends an idle connection of HTTP/1.1, and says so in the last answer of one in use")
    func http1() async throws {
        try await RunningService.with(["--sandbox-limits", "business", "--sandbox-accounts", "60"]) { service in
            let stream = service.reader("--http1.1")
            _ = try await stream.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGTERM)
            let outcome = await stream.outcome()
            #expect(outcome.status == 0)
            #expect(outcome.lines.last?.contains(#""type":"end","complete":true"#) == true)
            #expect(await service.process.outcome().status == 0)
        }
    }

    @Test(
        "cuts a stream off so that nobody takes it for complete, over each protocol",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func cutOff(version: String) async throws {
        try await RunningService.with(["--sandbox-limits", "pro", "--shutdown-grace", "100ms"]) { service in
            let curl = service.reader(version)
            _ = try await curl.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGTERM)
            let cut = await curl.outcome()
            #expect(cut.status != 0 && !cut.output.contains("\"end\""))
            #expect(await service.process.outcome().status == 0)
        }
    }

    @Test("happens at once at the second signal")
    func secondSignal() async throws {
        try await RunningService.with(["--sandbox-limits", "pro", "--shutdown-grace", "1h"], expectedStatus: 1) {
            service in
            let curl = service.reader()
            _ = try await curl.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGTERM)
            try await service.process.errors(containing: "shutting down")
            service.process.signal(SIGTERM)
            #expect(await service.process.outcome().status == 1)
            let cut = await curl.outcome()
            #expect(cut.status != 0 && !cut.output.contains("\"end\""))
        }
    }
}
