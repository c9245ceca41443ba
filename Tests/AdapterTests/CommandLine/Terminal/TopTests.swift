import Adapters
import BillingService
import Foundation
import Testing

@Suite("billing-service top", .timeLimit(.minutes(10)))
struct TopTests {
    private static func run(_ arguments: [String], _ answers: [FakeStatus.Answer]) async throws -> TestProcess.Outcome {
        var outcome: TestProcess.Outcome?
        try await withServer(FakeStatus(answers)) { server in
            outcome = await TestProcess.run(
                TestProcess.billingService, ["top", "--url", "http://127.0.0.1:\(server.port)"] + arguments,
                environment: ["TZ": "UTC"])
        }
        return try #require(outcome)
    }

    /// Runs `top` on a terminal until the steps end it.
    private static func show(
        _ answers: [FakeStatus.Answer], columns: Int = 120, rows: Int = 50, _ steps: [TestTerminal.Step],
        _ arguments: [String] = []
    ) async throws -> TestProcess.Outcome {
        var outcome: TestProcess.Outcome?
        try await withServer(FakeStatus(answers)) { server in
            outcome = await TestTerminal.run(
                TestProcess.billingService,
                ["top", "--interval", "200ms", "--url", "http://127.0.0.1:\(server.port)"] + arguments,
                columns: columns, rows: rows, steps: steps, environment: ["TZ": "UTC"])
        }
        return try #require(outcome)
    }

    // MARK: Without a terminal

    @Test("--once prints all numbers as text, the failing checks first, without escape sequences")
    func once() async throws {
        let outcome = try await Self.run(["--once"], [.init(text: FakeStatus.text(ready: false))])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
        #expect(!outcome.output.contains("\u{1B}"))
        let expected = [
            "billing-service 9.8.7", "up 3 h 0 min", "12:00:00", "NOT READY", "12.3 requests per second",
            "zoom failing since 11:50 (10 min): no token\\u{1b}[31m", "To do: Check the credentials.", "good: callers",
            "main  medium  15.5  of 20.0/s  ########--  7 waiting  2 x 429  own share", "12,000  of 60,000",
            "renewed at 00:00", "10 min old, 50 min left", "812 of 1,000 accounts", "hit ratio 97.1%",
            "up to 1 min: 200, older: 3", "report  250  of 1,000  ###-------  15.5/s  48 s left  running",
            "round 3: 10",
            "redis, connected, 3 replicas", "HTTP/2 with TLS 5 open, 1,234,567 accepted", "rst-flood 4",
            "11:58:00  502  GET /v2/accounts/{id}/billing  app  31.4 ms  r-failed",
        ]
        var rest = outcome.output[...]
        for text in expected {
            let range = rest.firstRange(of: text)
            #expect(range != nil, "\(text) is missing or in another place: \(outcome.output)")
            if let range { rest = rest[range.upperBound...] }
        }
    }

    @Test("--json prints the answer unchanged, in one line")
    func json() async throws {
        let outcome = try await Self.run(["--once", "--json"], [.init(text: FakeStatus.text() + "\n")])
        #expect(outcome.output == FakeStatus.text() + "\n")
    }

    @Test("in a pipe, the numbers are printed at each interval; the end of the reader ends the command")
    func piped() async throws {
        try await withServer(FakeStatus([.init(text: FakeStatus.text())])) { server in
            let outcome = await TestProcess.run(
                "bash",
                [
                    "-c", "\"$0\" \"$@\" | grep -m 3 READY; echo ${PIPESTATUS[0]}", TestProcess.billingService, "top",
                    "--interval", "200ms", "--url", "http://127.0.0.1:\(server.port)",
                ])
            #expect(outcome.lines.count == 4 && outcome.lines.last == "141" && outcome.errors.isEmpty, "\(outcome)")
        }
    }

    @Test("a service that does not answer is reported, with an exit code for scripts")
    func away() async throws {
        for (status, code, text) in [(503, 75, "Not now."), (401, 77, "Not now."), (404, 1, "Check the path in --url")]
        {
            let outcome = try await Self.run(["--once"], [.init(text: FakeStatus.text(), status: status)])
            #expect(outcome.status == code && outcome.output.isEmpty, "\(outcome)")
            #expect(outcome.errors.contains(text), "\(outcome.errors)")
        }
        let gone = await TestProcess.run(TestProcess.billingService, ["top", "--once", "--url", "http://127.0.0.1:1"])
        #expect(gone.status == 1 && gone.errors.contains("127.0.0.1:1"), "\(gone)")
        for (arguments, text) in [
            (["--interval", "1ms"], "--interval must be"), (["--url", "nothing"], "--url"),
            (["--token-file", ""], "--token-file is empty"),
        ] {
            let outcome = await TestProcess.run(TestProcess.billingService, ["top", "--once"] + arguments)
            #expect(outcome.status == 64 && outcome.errors.contains(text), "\(outcome)")
        }
    }

    @Test("the token of --token-file is sent")
    func token() async throws {
        try await withTemporaryFolder { folder in
            try write("ops-token\n", to: folder + "/token")
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder + "/token")
            let answers = [FakeStatus.Answer(text: FakeStatus.text(), status: 401)]
            let outcome = try await Self.run(["--once", "--token-file", folder + "/token"], answers)
            #expect(outcome.status == 0 && outcome.output.contains("READY"), "\(outcome)")
        }
    }

    // MARK: On a terminal

    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    @Test("q and each ending signal restore the screen and the cursor", arguments: ["q", "\u{3}", "SIGTERM", "SIGHUP"])
    func ending(_ way: String) async throws {
        let step: TestTerminal.Step =
            switch way {
            case "SIGTERM": .signal(SIGTERM, after: "Last failures")
            case "SIGHUP": .signal(SIGHUP, after: "Last failures")
            default: .type(way, after: "Last failures")
            }
        let outcome = try await Self.show([.init(text: FakeStatus.text())], [step])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.hasPrefix(Self.enter) && outcome.output.hasSuffix(Self.leave), "\(outcome.output)")
    }

    @Test("a signal restores the screen and the cursor as soon as the screen is taken", arguments: 0..<10)
    func earlySignal(_ attempt: Int) async throws {
        let outcome = try await Self.show(
            [.init(text: FakeStatus.text())], [.type(TestTerminal.Key.interrupt, after: Self.enter)])
        #expect(outcome.status == 0 && outcome.output.hasSuffix(Self.leave), "\(outcome)")
    }

    @Test("only lines that have changed are written again, and a larger or smaller terminal is filled anew")
    func redraw() async throws {
        let answers = (0..<3).map { FakeStatus.Answer(text: FakeStatus.text(done: 250 + $0)) }
        let outcome = try await Self.show(
            answers,
            [
                .resize(columns: 40, rows: 12, after: "  252"), .resize(columns: 100, rows: 40, after: "without room"),
                .type("q", after: "Last failures"),
            ])
        #expect(outcome.status == 0, "\(outcome)")
        let updates = outcome.output.components(separatedBy: "\u{1B}[?2026h").dropFirst()
        let whole = updates.filter { $0.contains("\u{1B}[2J") }
        // At the start, and for each new size.
        #expect(whole.count == 3, "\(outcome.output)")
        let part = try #require(updates.first { $0.contains("  251") })
        #expect(part.ranges(of: "\u{1B}[2K").count == 1 && !part.contains("READY"), "\(part)")
        let small = try #require(whole.first { $0.contains("without room") })
        let lines = small.components(separatedBy: "\u{1B}[2K").dropFirst().map {
            $0.replacing(/\x1B\[[0-9;?]*[A-Za-z]/, with: "")
        }
        #expect(lines.count == 12 && lines.allSatisfy { DisplayWidth.columns(of: $0) <= 40 }, "\(lines)")
        #expect(lines.contains { $0.contains("READY") } && !lines.contains { $0.contains("Last failures") })
    }

    @Test("after Ctrl-Z and fg, the screen is taken and drawn again")
    func suspended() async throws {
        let outcome = try await Self.show(
            [.init(text: FakeStatus.text())],
            [
                .type(TestTerminal.Key.suspend, after: "Last failures"), .resume(after: Self.leave),
                .type("q", after: "Last failures"),
            ])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.ranges(of: Self.enter).count >= 2 && outcome.output.hasSuffix(Self.leave))
    }

    @Test("while the service is away, the last numbers stay and are marked, until it is back")
    func outage() async throws {
        let outcome = try await Self.show(
            [
                .init(text: FakeStatus.text()), .init(text: "", status: 503),
                .init(text: FakeStatus.text(ready: false)),
            ],
            [.type("x", after: "the numbers are from before"), .type("q", after: "NOT READY")])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("NO ANSWER since "), "\(outcome.output)")
    }

    @Test("a refusal ends the command after the screen is restored")
    func refused() async throws {
        let outcome = try await Self.show([.init(text: "", status: 401)], [])
        #expect(outcome.status == 77, "\(outcome)")
        let parts = outcome.output.components(separatedBy: Self.leave)
        #expect(parts.count == 2 && parts[1].contains("Not now."), "\(outcome.output)")
    }

    @Test("colours follow --color; TERM=dumb gets plain text", arguments: [("never", false), ("auto", true)])
    func colors(choice: String, expected: Bool) async throws {
        let outcome = try await Self.show(
            [.init(text: FakeStatus.text())], [.type("q", after: "Last failures")], ["--color", choice])
        #expect(outcome.output.contains("\u{1B}[32m") == expected, "\(outcome.output)")
        try await withServer(FakeStatus([.init(text: FakeStatus.text())])) { server in
            let dumb = await TestTerminal.run(
                TestProcess.billingService,
                ["top", "--once", "--color", choice, "--url", "http://127.0.0.1:\(server.port)"], columns: 30,
                terminal: "dumb")
            #expect(dumb.status == 0 && !dumb.output.contains("\u{1B}"), "\(dumb)")
        }
    }
}
