import Foundation
import Testing

@Suite("Shutdown", .timeLimit(.minutes(10)))
struct DrainTests {
    private static func status(_ url: String, _ options: String...) async -> String {
        await TestProcess.run(
            "curl", ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"] + options + [url]
        ).output
    }

    @Test("readiness fails at once while connections are still accepted")
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
            // A further signal ends the service without the rest of the delay.
            try await Self.signalUntilOver(service.process)
            #expect(await health().status == 1)
        }
    }

    /// Signals until the program ends with status 1. Signals within a second count as one.
    private static func signalUntilOver(_ process: TestProcess) async throws {
        let status = Task { await process.outcome().status }
        let signalling = Task {
            while !Task.isCancelled {
                process.signal(SIGTERM)
                await Task.yield()
            }
        }
        #expect(await status.value == 1)
        signalling.cancel()
    }

    @Test(
        "signals within a second count as one", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signalsTogether(first: Int32) async throws {
        try await RunningService.with(["--shutdown-delay", "1h"], expectedStatus: 1) { service in
            service.process.signal(first)
            for signal in [SIGTERM, SIGINT, SIGHUP, SIGTERM] { service.process.signal(signal) }
            try await service.process.errors(containing: "shutting down")
            #expect(await Self.status(service.ops + "/livez") == "200")
            let answered = await service.curl(service.accountPath)
            #expect(answered.status == 0 && answered.output.contains("\"city\""))
            #expect(service.process.count(of: "a second signal") == 0)
            try await Self.signalUntilOver(service.process)
        }
    }

    @Test(
        "the sandbox ends with status 0 on each signal and on several together",
        arguments: [[SIGTERM], [SIGINT], [SIGHUP], [SIGTERM, SIGTERM, SIGINT, SIGHUP]])
    func sandbox(signals: [Int32]) async throws {
        let process = TestProcess(TestProcess.billingService, ["sandbox", "--sandbox-port", "0"])
        _ = try await process.output(containing: "Listening on")
        for signal in signals { process.signal(signal) }
        #expect(await process.outcome().status == 0)
    }

    @Test("a service started with nohup ignores SIGHUP")
    func nohup() async throws {
        let process = TestProcess(
            "nohup",
            [TestProcess.billingService, "serve", "--sandbox", "--http-port", "0", "--ops-port", "0"])
        let output = try await process.output(containing: "/v2/billing/stream\n")
        let ops = String(try #require(output.firstMatch(of: /Operations on (http:\/\/[0-9.]+:[0-9]+)/)).output.1)
        process.signal(SIGHUP)
        #expect(await Self.status(ops + "/readyz") == "200")
        process.signal(SIGTERM)
        #expect(await process.outcome().status == 0)
    }

    @Test("a shutdown under load answers every request that was accepted")
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
            let accepted = service.errors.split(separator: "\n").filter { $0.contains(#""message":"request""#) }.count
            #expect(Int(answered) == accepted && accepted > 0 && accepted < 60_000)
        }
    }

    @Test("an HTTP/1.1 stream completes within the grace period")
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
        "a stream cut off after the grace period has no end line, and curl fails",
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

    @Test("a second signal more than a second later ends the service at once")
    func secondSignal() async throws {
        try await RunningService.with(["--sandbox-limits", "pro", "--shutdown-grace", "1h"], expectedStatus: 1) {
            service in
            let curl = service.reader()
            _ = try await curl.output(containing: "\"type\":\"contact\"")
            service.process.signal(SIGTERM)
            try await service.process.errors(containing: "shutting down")
            try await Self.signalUntilOver(service.process)
            let cut = await curl.outcome()
            #expect(cut.status != 0 && !cut.output.contains("\"end\""))
        }
    }
}
