import DomainFakes
import Foundation
import Testing

@Suite("Test support: waiting", .timeLimit(.minutes(10)))
struct WaitsTests {
    @Test("cancelling a task ends its wait for an event with an error, whether the wait had begun or not")
    func cancelled() async {
        let event = Event<Int>()
        let began = Signal()
        let waiting = Task {
            began.fire()
            return try await event.next()
        }
        _ = try? await began.wait()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        let late = Task { try await event.next() }
        late.cancel()
        await #expect(throws: CancellationError.self) { try await late.value }
    }

    @Test("an event goes to the next waiter if the first was cancelled")
    func passedOn() async throws {
        let event = Event<Int>()
        let first = Task { try await event.next() }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        let second = Task { try await event.next() }
        event.fire(7)
        #expect(try await second.joined == 7)
    }

    @Test("cancelling a task that waits for a program kills the program and its children")
    func programKilled() async throws {
        // The child keeps standard output open, so the program counts as ended only when both processes are gone.
        let process = TestProcess("sh", ["-c", "echo started; sleep 1000 & wait"])
        _ = try await process.output(containing: "started")
        let waiting = Task { await process.outcome() }
        waiting.cancel()
        #expect(await waiting.value.status == 128 + SIGKILL)
    }

    @Test("a program receives a signal that was sent before it had started")
    func earlySignal() async {
        let process = TestProcess("sleep", ["1000"])
        process.signal(SIGTERM)
        #expect(await process.outcome().status == 128 + SIGTERM)
    }
}

@Suite("scripts/run-tests.py", .timeLimit(.minutes(10)))
struct RunTestsScriptTests {
    /// Runs scripts/run-tests.py with a shell script in place of `swift`.
    private static func run(_ script: String, _ options: [String] = []) async throws -> TestProcess.Outcome {
        let made = Outcomes()
        try await withTemporaryFolder { folder in
            try write("#!/bin/sh\n" + events + script, to: folder + "/swift")
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o700], ofItemAtPath: folder + "/swift")
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            made.outcome = await TestProcess.run(
                "python3", ["scripts/run-tests.py", "--log", folder + "/log"] + options,
                environment: ["PATH": folder + ":" + path])
        }
        return try #require(made.outcome)
    }

    private final class Outcomes {
        var outcome: TestProcess.Outcome?
    }

    /// Writes the events of a test that has started to the event stream file of `swift test`.
    private static let events = """
        events=$4
        say() { printf '%s\\n' "$1" >> "$events"; }
        say '{"kind":"test","payload":{"kind":"suite","id":"T.S","displayName":"A thing"}}'
        say '{"kind":"test","payload":{"kind":"function","id":"T.S/f()","displayName":"does something"}}'
        say '{"kind":"event","payload":{"kind":"testCaseStarted","testID":"T.S/f()"}}'

        """

    @Test("a hanging run is killed with all its processes, and the running test is printed")
    func hangs() async throws {
        let outcome = try await Self.run("setsid sleep 1000 & sleep 1000", ["--hang", "0.02"])
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("HUNG: "))
        #expect(outcome.output.contains(" s  A thing: does something\n"))
    }

    @Test("a killed test process ends the run, and the running test is printed")
    func killed() async throws {
        let outcome = try await Self.run("kill -KILL $$")
        #expect(outcome.status != 0)
        #expect(outcome.output.contains(" s  A thing: does something\n"))
    }

    @Test("each failure is printed with its test, source location and message")
    func failure() async throws {
        let issue = """
            {"kind":"event","payload":{"kind":"issueRecorded","testID":"T.S/f()",\
            "issue":{"isKnown":false,"sourceLocation":{"fileID":"T/S.swift","line":12}},\
            "messages":[{"symbol":"fail","text":"Expectation failed: 1 == 2"}]}}
            """
        let outcome = try await Self.run("say '\(issue)'; echo 'Test run with 1 test failed'; exit 1")
        #expect(outcome.status == 1)
        #expect(outcome.lines.first == "FAILED A thing: does something")
        #expect(outcome.output.contains("    at T/S.swift:12\n    Expectation failed: 1 == 2\n"))
        #expect(outcome.output.contains("Test run with 1 test failed"))
    }
}
