import Foundation
import Testing

@Suite("A shutdown", .timeLimit(.minutes(10)))
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
            try await Self.signalUntilOver(service.process)
            #expect(await health().status == 1)
        }
    }

    /// Signals again until the program has ended at once: it takes signals within a second for one.
    private static func signalUntilOver(_ process: TestProcess) async throws {
        let status = Task { await process.outcome().status }
        let asking = Task {
            while !Task.isCancelled {
                process.signal(SIGTERM)
                await Task.yield()
            }
        }
        #expect(await status.value == 1)
        asking.cancel()
    }

    @Test(
        "Shutdown: signals within a moment count as one, whichever they are", arguments: [SIGTERM, SIGINT, SIGHUP])
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
        "Shutdown: the sandbox ends cleanly on each of the signals, and on all of them together",
        arguments: [[SIGTERM], [SIGINT], [SIGHUP], [SIGTERM, SIGTERM, SIGINT, SIGHUP]])
    func sandbox(signals: [Int32]) async throws {
        let process = TestProcess(TestProcess.billingService, ["sandbox", "--sandbox-port", "0"])
        _ = try await process.output(containing: "Listening on")
        for signal in signals { process.signal(signal) }
        #expect(await process.outcome().status == 0)
    }

    @Test("Shutdown: a service that was started by nohup stays when its terminal is closed")
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

    @Test("Shutdown: happens at once at a second signal that comes later than a moment")
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
