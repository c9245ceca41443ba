import Adapters
import Foundation
import Testing

@Suite("billing-service update, subscribe, cancel: outcomes", .timeLimit(.minutes(10)))
struct ChangeOutcomeTests {
    private static let request = "PUT /v2/accounts/a/plans/base"
    private static let update = ["update", "base-plan", "a", "--type", "monthly", "--hosts", "3"]
    private static let nothingSent = "This command sent nothing to Zoom. The same idempotency key may be used again."
    private static let dryRun = Reply.dryRun(
        "Update a base plan", body: #"{"type":"monthly","hosts":3}"#,
        changes: #"[{"field":"hosts","from":"2","to":"3"}]"#)

    private static func service(_ answers: Reply..., record: Reply? = nil) -> FakeChanges {
        FakeChanges([
            request + "?dry_run=true": [dryRun], request: answers,
            "GET /v2/billing/idempotency-keys/k%2F1": [record ?? .problem(404, "idempotency-key-not-found")],
        ])
    }

    // MARK: Refusals

    @Test("violations are a list of fields and messages, and nothing is sent")
    func violations() async throws {
        let fake = FakeChanges([
            Self.request + "?dry_run=true": [
                .problem(
                    400, "invalid-request", code: 300, message: "Validation Failed.",
                    more:
                        #","errors":[{"field":"hosts","message":"Must be at least 1."},{"field":"plan_base.type","message":"Unknown.\u001b"}]"#
                )
            ]
        ])
        let outcome = try await fake.run(Self.update + ["--yes"])
        #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
        #expect(
            outcome.errors == """
                billing-service: Validation Failed. (status 400, code 300)
                  hosts           Must be at least 1.
                  plan_base.type  Unknown.\\u{1b}

                """, "\(outcome)")
        #expect(fake.sent.isEmpty)
    }

    @Test("an answer to the dry run of a service that does not know dry runs is no permission to send")
    func unknownDryRun() async throws {
        for answer in [Reply.noContent(), .json("{}"), .json("<html>"), .problem(405, "method-not-allowed")] {
            let fake = FakeChanges([Self.request + "?dry_run=true": [answer]])
            let outcome = try await fake.run(Self.update + ["--yes"])
            #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome)")
            #expect(fake.sent.isEmpty)
        }
    }

    @Test(
        "a change that was not made has the exit code of its refusal, and a note whether the key may be used again",
        arguments: [
            (400, "zoom-refused", 2100, 65, ""), (400, "plan-rules", 2100, 65, ""),
            (404, "account-not-found", 2001, 66, ""),
            (403, "scope-missing", 4711, 77, ""), (412, "precondition-failed", 412, 65, "compare the values again"),
            (422, "idempotency-key-reused", 422, 64, ""), (428, "precondition-required", 428, 64, "Pass --if-match."),
            (409, "account-busy", 409, 75, nothingSent),
            (409, "idempotency-key-in-use", 409, 75, "An earlier request with this key is running."),
            (429, "rate-limit", 429, 75, nothingSent), (503, "zoom-unavailable", 503, 75, nothingSent),
            (503, "state-unavailable", 503, 75, nothingSent), (504, "zoom-timed-out", 504, 75, nothingSent),
            (502, "zoom-failed", 502, 1, nothingSent),
        ] as [(Int, String, Int, Int32, String)])
    func notMade(status: Int, slug: String, code: Int, exitCode: Int32, note: String) async throws {
        let fake = Self.service(.problem(status, slug, code: code, [(.retryAfter, "7")]))
        let outcome = try await fake.run(Self.update + ["--yes"])
        #expect(outcome.status == exitCode && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.contains("billing-service: No. "), "\(outcome)")
        #expect(note.isEmpty || outcome.errors.contains(note), "\(outcome)")
        #expect(note == Self.nothingSent || !outcome.errors.contains("may be used again"), "\(outcome)")
        #expect(!outcome.errors.contains("unknown"), "\(outcome)")
        #expect(outcome.errors.contains("Try again in 7 seconds") == [409, 429, 503, 504].contains(status))
        #expect(fake.sent.count == 1)
    }

    // MARK: Unknown outcomes

    @Test(
        "without an answer that says what became of the change, the outcome is unknown, and it is not sent again",
        arguments: [
            .problem(504, "outcome-unknown"), .problem(504, "timed-out"), .problem(500, "new"),
            .json("<html>", status: 502),
            .json("", status: 503), .json("", status: 504), .json("", status: 408), .json("<html>login</html>"),
            .broken(status: 204), .broken(status: 504),
        ] as [Reply])
    func unknown(answer: Reply) async throws {
        let fake = Self.service(answer)
        let outcome = try await fake.run(Self.update + ["--yes"])
        #expect(outcome.status == 4 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.contains("billing-service: the outcome is unknown: "), "\(outcome)")
        #expect(!outcome.errors.contains("Try again"), "\(outcome)")
        let key = try #require(outcome.errors.firstMatch(of: /Idempotency-Key: (\S+)\n/)).output.1
        let program = TestProcess.billingService
        let url = try #require(outcome.errors.firstMatch(of: /http:[0-9.:\/]+/)).output
        #expect(outcome.errors.contains("\n  \(program) plans --no-cache --url \(url) a\n"), "\(outcome)")
        #expect(
            outcome.errors.contains(
                "\n  \(program) \(Self.update.joined(separator: " ")) --yes --url \(url) --idempotency-key=\(key)\n"),
            "\(outcome)")
        #expect(outcome.errors.hasSuffix("\n  \(program) keys remove --url \(url) \(key)\n"), "\(outcome)")
        #expect(fake.sent.count == 1)
    }

    @Test("if no answer arrives within --timeout, the outcome is unknown")
    func timeout() async throws {
        let fake = Self.service(
            .eventually {
                await untilCancelled()
                return .text("too late")
            })
        let outcome = try await fake.run(Self.update + ["--yes", "--timeout", "10s"])
        #expect(outcome.status == 4 && outcome.errors.contains("did not answer within 10s"), "\(outcome)")
        #expect(fake.sent.count == 1)
    }

    @Test(
        "a signal after the change was sent leaves the outcome unknown, and the advice is printed",
        arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) async throws {
        let started = Event<Void>()
        let fake = Self.service(
            .eventually {
                started.fire()
                await untilCancelled()
                return .text("too late")
            })
        let outcome = try await fake.with { url in
            let process = TestProcess(
                TestProcess.billingService, Self.update + ["--yes", "--url", url],
                environment: ["BILLING_TOKEN": "token"])
            _ = try await started.next()
            process.signal(signal)
            return await process.outcome()
        }
        #expect(outcome.status == 4 && outcome.errors.contains("the outcome is unknown: interrupted"), "\(outcome)")
    }

    @Test("the commands of the advice can be pasted into a shell")
    func quoting() async throws {
        let arguments = [
            "update", "billing", "--yes", "--no-if-match", "--city", "Zoë's \u{1B}[1m\n$(x)\\", "--apt", "",
        ]
        let request = "PATCH /v2/accounts/-a/billing"
        let fake = FakeChanges([
            request + "?dry_run=true": [.dryRun("X", body: "{}", changes: "[]")],
            request: [.problem(504, "outcome-unknown"), .noContent()],
            "GET /v2/accounts/-a/billing": [.json("{}")],
            "GET /v2/billing/idempotency-keys/k": [.problem(404, "idempotency-key-not-found")],
        ])
        let outcome = try await fake.with { url in
            let environment = ["BILLING_TOKEN": "token"]
            let first = await TestProcess.run(
                TestProcess.billingService,
                arguments + ["--url", url, "--idempotency-key", "k", "--", "-a"], environment: environment)
            #expect(first.status == 4 && !first.errors.contains("\u{1B}"), "\(first)")
            let commands = first.errors.split(separator: "\n").filter { $0.hasPrefix("  ") }
            try #require(commands.count == 3, "\(first)")
            let looked = await TestProcess.run("bash", ["-c", String(commands[0])], environment: environment)
            #expect(looked.status == 0, "\(looked)")
            return await TestProcess.run("bash", ["-c", String(commands[1])], environment: environment)
        }
        #expect(outcome.status == 0 && outcome.output == "Done.\n", "\(outcome)")
        let sent = fake.sent
        #expect(sent.count == 2 && sent[0] == sent[1] && sent[0].key == "k", "\(sent)")
    }

    @Test("a service that cannot be reached has received nothing")
    func notConnected() async throws {
        let outcome = await TestProcess.run(
            TestProcess.billingService, Self.update + ["--yes", "--url", "http://127.0.0.1:1"],
            environment: ["BILLING_TOKEN": "token"])
        #expect(outcome.status == 1 && !outcome.errors.contains("unknown"), "\(outcome)")
    }

    // MARK: Repeated commands

    @Test(
        "a repeated command shows the record of its key, makes no dry run, and says that the answer is an earlier one")
    func replayed() async throws {
        let fake = Self.service(
            .noContent([(.idempotentReplayed, "true")]),
            record: .json(#"{"key":"k/1","state":"finished","account_id":"a"}"#))
        let outcome = try await fake.run(Self.update + ["--yes", "--idempotency-key", "k/1"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output == "Done. An earlier request with this key made the change.\n", "\(outcome)")
        #expect(outcome.errors.contains("state       finished\n"), "\(outcome)")
        #expect(
            fake.received.map(\.request) == ["GET /v2/billing/idempotency-keys/k%2F1", Self.request])
        #expect(fake.sent.map(\.key) == ["k/1"])
    }

    @Test("the refusal of an earlier request with the key is reported, with advice to use a new key")
    func replayedRefusal() async throws {
        let fake = Self.service(
            .problem(400, "zoom-refused", code: 2100, [(.idempotentReplayed, "true")]),
            record: .json(#"{"key":"k/1","state":"finished"}"#))
        let outcome = try await fake.run(Self.update + ["--yes", "--idempotency-key", "k/1"])
        #expect(outcome.status == 65 && outcome.errors.contains("send it with a new key"), "\(outcome)")
    }

    @Test("a key without a record is checked and sent like a new one")
    func newKey() async throws {
        let fake = Self.service(.noContent())
        let outcome = try await fake.run(Self.update + ["--yes", "--idempotency-key", "k/1"])
        #expect(outcome.status == 0 && outcome.errors.hasSuffix("Idempotency-Key: k/1\n"), "\(outcome)")
        #expect(fake.received.count == 3 && fake.sent.map(\.key) == ["k/1"])
    }

    @Test("if the record of the key cannot be read, nothing is sent")
    func unreadableKey() async throws {
        for answer in [Reply.problem(503, "state-unavailable"), .json("", status: 404)] {
            let fake = Self.service(.noContent(), record: answer)
            let outcome = try await fake.run(Self.update + ["--yes", "--idempotency-key", "k/1"])
            #expect(outcome.status != 0 && fake.sent.isEmpty, "\(outcome)")
        }
    }

    // MARK: Keys

    @Test("keys show prints the record, and keys remove removes it")
    func keys() async throws {
        let key = "/v2/billing/idempotency-keys/-k%2F1"
        let record = #"{"key":"-k/1","state":"unknown","look_at":"/v2/accounts/a/plans"}"#
        let fake = FakeChanges(["GET " + key: [.json(record)], "DELETE " + key: [.noContent()]])
        let shown = try await fake.with { url in
            await TestProcess.run(
                TestProcess.billingService, ["keys", "show", "--url", url, "--", "-k/1"],
                environment: ["BILLING_TOKEN": "token"])
        }
        #expect(shown.output == "key      -k/1\nstate    unknown\nlook_at  /v2/accounts/a/plans\n", "\(shown)")
        let removed = try await fake.with { url in
            await TestProcess.run(
                TestProcess.billingService, ["keys", "remove", "--url", url, "--", "-k/1"],
                environment: ["BILLING_TOKEN": "token"])
        }
        #expect(removed.status == 0 && removed.output == "removed the key -k/1\n", "\(removed)")
        for command in ["show", "remove"] {
            let absent = try await FakeChanges([
                "GET /v2/billing/idempotency-keys/x": [.problem(404, "idempotency-key-not-found")],
                "DELETE /v2/billing/idempotency-keys/x": [.problem(404, "idempotency-key-not-found")],
            ]).run(["keys", command, "x"])
            #expect(absent.status == 66 && absent.output.isEmpty, "\(absent)")
        }
    }
}
