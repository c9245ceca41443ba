import Testing

@Suite("serve on a terminal", .timeLimit(.minutes(10)))
struct ServeOnTerminalTests {
    private static func serve(
        _ arguments: [String] = [], terminal: String = "xterm", environment: [String: String] = [:]
    ) async -> TestProcess.Outcome {
        await TestTerminal.run(
            TestProcess.billingService, ["serve", "--sandbox", "--http-port", "0", "--ops-port", "0"] + arguments,
            columns: 100, terminal: terminal, prompt: "/v2/billing/stream\r\n", answer: TestTerminal.Key.interrupt,
            environment: ["TZ": "UTC"].merging(environment) { $1 })
    }

    @Test("serve prints its version, its addresses, its pages and commands to try, and then readable log lines")
    func banner() async throws {
        let outcome = await Self.serve(["--color", "never"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(!outcome.output.contains("\u{1B}") && !outcome.output.contains("{"), "\(outcome.output)")
        let lines = outcome.output.split(separator: "\r\n")
        #expect(lines.contains { $0.hasPrefix("Listening on http://127.0.0.1:") })
        let ops = try #require(outcome.output.firstMatch(of: /Operations on (http:\S+)/)).output.1
        for text in ["billing-service 0.1.0", "\(ops)/\r\n", "\(ops)/api\r\n", "a sandbox with 1000 sub accounts"] {
            #expect(outcome.output.contains(text), "\(text): \(outcome.output)")
        }
        #expect(lines.filter { $0.hasPrefix("curl ") }.count == 3)
        let log = try #require(lines.first { $0.contains("shutting down") })
        #expect(log.wholeMatch(of: /(?:\^C)?\d\d:\d\d:\d\d INFO     shutting down +signal=SIGINT/) != nil, "\(log)")
    }

    @Test(
        "the level of a log line has a colour, unless NO_COLOR or TERM=dumb disable it",
        arguments: [
            ([], "xterm", [:], true), ([], "xterm", ["NO_COLOR": "1"], false), ([], "dumb", [:], false),
            (["--color", "always"], "dumb", ["NO_COLOR": "1"], true), (["--color", "never"], "xterm", [:], false),
        ] as [([String], String, [String: String], Bool)])
    func colors(arguments: [String], terminal: String, environment: [String: String], expected: Bool) async {
        let outcome = await Self.serve(arguments, terminal: terminal, environment: environment)
        #expect(outcome.output.contains("\u{1B}[32mINFO\u{1B}[0m     shutting down") == expected, "\(outcome.output)")
        #expect(outcome.output.contains("\u{1B}") == expected, "\(outcome.output)")
    }

    @Test("a listener on all addresses is reachable at the loopback address, which the commands to try have")
    func allAddresses() async {
        let outcome = await Self.serve(["--http-host", "0.0.0.0", "--ops-host", "0.0.0.0"])
        #expect(outcome.output.contains("Listening on http://0.0.0.0:"), "\(outcome.output)")
        #expect(outcome.output.ranges(of: "http://127.0.0.1:").count >= 5, "\(outcome.output)")
    }

    @Test("in a pipe, serve begins with its addresses, and its log is JSON without colours")
    func piped() async throws {
        try await RunningService.with(["--color", "always"]) { service in
            service.process.signal(15)
            let outcome = await service.process.outcome()
            #expect(outcome.output.hasPrefix("Listening on \(service.base)\nOperations on \(service.ops)\n"))
            #expect(!outcome.errors.contains("\u{1B}"))
            #expect(outcome.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("{") }, "\(outcome.errors)")
        }
    }
}
