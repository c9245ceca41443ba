import Adapters
import Foundation
import Testing

@Suite("billing-service update, subscribe, cancel", .timeLimit(.minutes(10)))
struct ChangeTests {
    private static let billing = "/v2/accounts/a/billing"
    private static let contact = Reply.json(
        #"{"email":"old@example.com","city":"Oakland"}"#, [(.etag, #""e-1""#)])
    private static let contactChange = Reply.dryRun(
        "Update billing information", body: #"{"email":"new@example.com","city":"Oakland"}"#,
        changes: #"[{"field":"email","from":"old@example.com","to":"new@example.com"}]"#)

    /// A service that makes a change of the contact.
    private static func contactService(_ answer: Reply = .noContent()) -> FakeChanges {
        FakeChanges([
            "GET \(billing)": [contact], "PATCH \(billing)?dry_run=true": [contactChange], "PATCH \(billing)": [answer],
        ])
    }

    private static let update = ["update", "billing", "a", "--email", "new@example.com", "--city", "Oakland"]

    // MARK: The contact

    @Test("update billing reads the contact, checks the change, shows it, and sends it once with the ETag and a key")
    func contact() async throws {
        let fake = Self.contactService()
        let outcome = try await fake.run(Self.update + ["--yes"])
        #expect(outcome.status == 0 && outcome.output == "Done.\n", "\(outcome)")
        #expect(
            outcome.errors.hasPrefix(
                """
                Account    a
                Operation  Update billing information

                email  old@example.com -> new@example.com
                city   Oakland (unchanged)
                Idempotency-Key: cli-
                """), "\(outcome)")
        let body = #"{"email":"new@example.com","city":"Oakland"}"#
        let key = try #require(outcome.errors.firstMatch(of: /Idempotency-Key: (cli-[\w-]{43})\n/)).output.1
        #expect(
            fake.received == [
                .init(request: "GET \(Self.billing)", key: nil, ifMatch: nil, body: ""),
                .init(request: "PATCH \(Self.billing)?dry_run=true", key: nil, ifMatch: #""e-1""#, body: body),
                .init(request: "PATCH \(Self.billing)", key: String(key), ifMatch: #""e-1""#, body: body),
            ])
    }

    @Test("--dry-run prints the summary on standard output, and sends nothing")
    func dryRun() async throws {
        let fake = Self.contactService()
        let outcome = try await fake.run(Self.update + ["--dry-run"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
        #expect(outcome.lines.contains("email  old@example.com -> new@example.com"), "\(outcome)")
        let json = try await fake.run(Self.update + ["--dry-run", "--json"])
        #expect(json.status == 0 && json.output.hasPrefix(#"{"dry_run":true,"#) && json.lines.count == 1, "\(json)")
        #expect(fake.sent.isEmpty)
    }

    @Test("every field has a flag, and --from reads the same from a file or standard input")
    func fields() async throws {
        let flags = [
            "first-name", "last-name", "email", "phone-number", "address", "apt", "city", "state", "zip", "country",
            "employee-count",
        ]
        let body =
            "{" + flags.map { #""\#($0.replacing("-", with: "_"))":"ü \#($0)""# }.joined(separator: ",") + "}"
        try await withTemporaryFolder { folder in
            try write(body, to: folder + "/contact.json")
            for (arguments, input) in [
                (flags.flatMap { ["--" + $0, "ü " + $0] }, ""), (["--from", folder + "/contact.json"], ""),
                (["--from", "-"], " " + body + "\n"),
            ] {
                let fake = Self.contactService()
                let outcome = try await fake.run(["update", "billing", "a", "--yes"] + arguments, input: input)
                #expect(outcome.status == 0, "\(outcome)")
                #expect(fake.sent.map(\.body) == [body])
            }
        }
    }

    @Test("--no-if-match sends the change without a precondition, and --if-match with that of the user")
    func preconditions() async throws {
        let fake = Self.contactService()
        for arguments in [["--no-if-match"], ["--if-match", "e-7"], ["--if-match", #""e-7""#], ["--if-match", "*"]] {
            let outcome = try await fake.run(Self.update + ["--yes"] + arguments)
            #expect(outcome.status == 0, "\(outcome)")
        }
        #expect(fake.sent.map(\.ifMatch) == [nil, #""e-7""#, #""e-7""#, "*"])
        #expect(!fake.received.contains { $0.request.hasPrefix("GET") })
    }

    // MARK: Plans

    @Test(
        "each command sends its request, and its summary says what it costs",
        arguments: [
            (
                ["update", "base-plan", "a", "--type", "business_yearly", "--hosts", "12"],
                "PUT /v2/accounts/a/plans/base",
                #"{"type":"business_yearly","hosts":12}"#,
                #"[{"field":"hosts","from":"10","to":"12"}]"#,
                """
                type   business_yearly
                hosts  10 -> 12

                This spends money: Zoom charges for the changed plan.

                """
            ),
            (
                ["update", "additional-plan", "a", "--type", "webinar500_monthly", "--hosts", "2"],
                "PUT /v2/accounts/a/plans/addons", #"{"type":"webinar500_monthly","hosts":2}"#,
                #"[{"field":"type","from":"webinar100_monthly","to":"webinar500_monthly"}]"#,
                """
                type   webinar100_monthly -> webinar500_monthly
                hosts  2

                This spends money: Zoom charges for the changed plan.

                """
            ),
            (
                [
                    "subscribe", "plans", "a", "--base", "monthly:3", "--plan", "plan_webinar=webinar500_monthly:1",
                    "--plan", "plan_recording=cmr_monthly_commitment_40", "--plan", "plan_zoom_rooms=zroom_monthly:2",
                ], "POST /v2/accounts/a/plans",
                #"{"plan_base":{"type":"monthly","hosts":3},"plan_webinar":[{"type":"webinar500_monthly","hosts":1}],"#
                    + #""plan_recording":"cmr_monthly_commitment_40","plan_zoom_rooms":{"type":"zroom_monthly","hosts":2}}"#,
                #"[{"field":"plan_base.type","from":null,"to":"monthly"},{"field":"plan_base.hosts","to":"3"}]"#,
                """
                plan_base.type         (none) -> monthly
                plan_base.hosts        (none) -> 3
                plan_webinar[0].type   webinar500_monthly
                plan_webinar[0].hosts  1
                plan_recording         cmr_monthly_commitment_40
                plan_zoom_rooms.type   zroom_monthly
                plan_zoom_rooms.hosts  2

                This spends money: Zoom charges for the plans.

                """
            ),
            (
                ["subscribe", "additional-plan", "a", "--type", "webinar500_monthly", "--hosts", "1"],
                "POST /v2/accounts/a/plans/addons", #"{"type":"webinar500_monthly","hosts":1}"#, "[]",
                """
                type   webinar500_monthly
                hosts  1

                This spends money: Zoom charges for the plans.

                """
            ),
            (
                ["cancel", "base-plan", "a"], "PATCH /v2/accounts/a/plans/base/status", #"{"action":"cancel"}"#,
                #"[{"field":"plan_base.status","from":"active","to":"cancelled"}]"#,
                """
                action            cancel
                plan_base.type    monthly
                plan_base.hosts   3
                plan_base.status  active -> cancelled

                Zoom refunds nothing. The plan ends with its paid term, and must be bought again to get it back.

                """
            ),
            (
                [
                    "cancel", "additional-plan", "a", "--type", "webinar500_monthly", "--reason", "4", "--comment",
                    "too much",
                ], "PATCH /v2/accounts/a/plans/addons/status",
                #"{"action":"cancel","type":"webinar500_monthly","reason":4,"comment":"too much"}"#, "[]",
                """
                action   cancel
                type     webinar500_monthly
                reason   4
                comment  too much

                Zoom refunds nothing. The plan ends with its paid term, and must be bought again to get it back.

                """
            ),
        ])
    func plans(
        arguments: [String], request: String, body: String, changes: String, summary: String
    ) async throws {
        let plans = #"{"plan_base":{"type":"monthly","hosts":3}}"#
        let answer = request.hasPrefix("POST") ? Reply.json(plans, status: 201) : .noContent()
        let fake = FakeChanges([
            request + "?dry_run=true": [.dryRun("Operation", body: body, changes: changes)], request: [answer],
            "GET /v2/accounts/a/plans": [.json(plans)],
        ])
        let dryRun = try await fake.run(arguments + ["--dry-run"])
        #expect(dryRun.output == "Account    a\nOperation  Operation\n\n" + summary, "\(dryRun)")
        let outcome = try await fake.run(arguments + ["--yes", "--if-match", "e"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(fake.sent.map(\.request) == [request] && fake.sent.map(\.body) == [body])
        #expect(fake.sent.map(\.ifMatch) == [#""e""#])
        if request.hasPrefix("POST") {
            #expect(outcome.lines.count == 3 && outcome.lines[0] == "Done.", "\(outcome)")
            #expect(outcome.lines[2].hasPrefix("plan_base  monthly      3"), "\(outcome)")
            let json = try await fake.run(arguments + ["--yes", "--json"])
            #expect(json.output == plans + "\n" && json.errors.hasSuffix("Done.\n"), "\(json)")
        } else {
            #expect(outcome.output == "Done.\n", "\(outcome)")
        }
    }

    @Test("a subscription has the contact of a file, and --from the whole request")
    func files() async throws {
        let request = "POST /v2/accounts/a/plans"
        let fake = FakeChanges([
            request + "?dry_run=true": [.dryRun("Subscribe plans", body: "{}", changes: "[]")],
            request: [.json("{}", status: 201)],
        ])
        try await withTemporaryFolder { folder in
            try write(#"{"email":"a@example.com"}"#, to: folder + "/contact.json")
            let contact = try await fake.run(
                ["subscribe", "plans", "a", "--yes", "--base", "monthly:3", "--contact", folder + "/contact.json"])
            #expect(contact.status == 0 && contact.output == "Done.\n", "\(contact)")
        }
        let whole = try await fake.run(
            ["subscribe", "plans", "a", "--yes", "--from", "-"], input: #"{"plan_phone":{"plan_base":{}}}"#)
        #expect(whole.status == 0, "\(whole)")
        #expect(
            fake.sent.map(\.body) == [
                #"{"contact":{"email":"a@example.com"},"plan_base":{"type":"monthly","hosts":3}}"#,
                #"{"plan_phone":{"plan_base":{}}}"#,
            ])
    }

    // MARK: Usage

    @Test(
        "wrong usage exits with 64 and sends no request",
        arguments: [
            ["update", "billing", "a"], ["update", "billing", "a", "--email", "x"],
            ["update", "billing", "a", "--yes", "--email", "x", "--from", "-"],
            ["update", "billing", "a", "--from", "-"], ["update", "billing", "a/b", "--yes", "--email", "x"],
            ["update", "billing", "a", "--yes", "--email", "x", "--if-match", "e", "--no-if-match"],
            ["update", "billing", "a", "--yes", "--email", "x", "--if-match", ""],
            ["update", "billing", "a", "--yes", "--email", "x", "--idempotency-key", "a b"],
            ["update", "billing", "a", "--yes", "--dry-run", "--email", "x"],
            ["update", "billing", "a", "--yes", "--from", "-", "--token-file", "-"],
            ["update", "base-plan", "a", "--yes", "--type", "monthly"],
            ["update", "base-plan", "a", "--yes", "--type", "monthly", "--hosts", "x"],
            ["subscribe", "plans", "a", "--yes"], ["subscribe", "plans", "a", "--yes", "--base", "monthly:x"],
            ["subscribe", "plans", "a", "--yes", "--base", "monthly:1", "--from", "-"],
            ["subscribe", "plans", "a", "--yes", "--base", "monthly:1", "--plan", "webinar500_monthly:1"],
            ["subscribe", "plans", "a", "--yes", "--base", "monthly:1", "--plan", "plan_base=monthly:1"],
            ["subscribe", "additional-plan", "a", "--yes"], ["cancel", "additional-plan", "a", "--yes"],
            ["cancel", "base-plan", "a", "--yes", "--reason", "7"], ["keys", "show"], ["keys", "remove", "a b"],
        ])
    func usage(arguments: [String]) async throws {
        let fake = FakeChanges([:])
        let outcome = try await fake.run(arguments)
        #expect(outcome.status == 64 && outcome.output.isEmpty && !outcome.errors.isEmpty, "\(outcome)")
        #expect(fake.received.isEmpty)
    }

    @Test("a change needs the URL of a running service, and a file with a JSON object")
    func sources() async throws {
        let program = TestProcess.billingService
        let environment = ["BILLING_TOKEN": "token"]
        let noURL = await TestProcess.run(program, Self.update + ["--yes"], environment: environment)
        #expect(noURL.status == 64 && noURL.errors.contains("--url is required"), "\(noURL)")
        for (input, reason) in [("{", "is no JSON: "), ("[]", "is no JSON object"), ("", "is no JSON: ")] {
            let fake = FakeChanges([:])
            let outcome = try await fake.run(["update", "billing", "a", "--yes", "--from", "-"], input: input)
            #expect(outcome.status == 1 && outcome.errors.contains("standard input: \(reason)"), "\(outcome)")
            #expect(fake.received.isEmpty)
        }
    }

    // MARK: The question

    @Test("on a terminal the command asks, and y or yes sends the change", arguments: ["y\n", "YES\n"])
    func yes(answer: String) async throws {
        let fake = Self.contactService()
        let outcome = try await fake.runOnTerminal(Self.update, answer: answer, environment: ["NO_COLOR": "1"])
        #expect(outcome.status == 0 && outcome.output.hasSuffix("Done.\r\n"), "\(outcome)")
        #expect(outcome.output.contains("old@example.com -> new@example.com\r\n"), "\(outcome)")
        #expect(outcome.output.contains("Send this change? [y/N] "), "\(outcome)")
        #expect(fake.sent.count == 1)
    }

    @Test(
        "any other answer, Ctrl-C and the end of input send nothing, with an exit code of their own",
        arguments: ["\n", "n\n", "yy\n", "no\n", TestTerminal.Key.interrupt, TestTerminal.Key.end])
    func no(answer: String) async throws {
        let fake = Self.contactService()
        let outcome = try await fake.runOnTerminal(Self.update, answer: answer)
        #expect(outcome.status == 5, "\(outcome)")
        #expect(outcome.output.hasSuffix("\r\nbilling-service: Nothing was sent.\r\n"), "\(outcome)")
        #expect(!outcome.output.contains("Idempotency-Key"), "\(outcome)")
        #expect(fake.received.count == 2 && fake.sent.isEmpty)
    }

    @Test("without a terminal, --yes is required before any request")
    func noTerminal() async throws {
        let fake = Self.contactService()
        let outcome = try await fake.run(Self.update, input: "y\n")
        #expect(outcome.status == 64 && outcome.errors.contains("pass --yes"), "\(outcome)")
        #expect(fake.received.isEmpty)
    }

    @Test("values that do not fit the terminal are below their names, and none is truncated", arguments: [20, 40, 200])
    func width(columns: Int) async throws {
        let fake = Self.contactService()
        let outcome = try await fake.runOnTerminal(
            Self.update, answer: "n\n", columns: columns, environment: ["NO_COLOR": "1"])
        let expected =
            columns < 200
            ? "email\r\n  old@example.com\r\n  -> new@example.com\r\n" : "email  old@example.com -> new@example.com\r\n"
        #expect(outcome.output.contains(expected), "\(outcome)")
        #expect(!outcome.output.contains("\u{1B}"), "\(outcome)")
    }

    @Test("old and new values have colours on a terminal, unless NO_COLOR or TERM=dumb says otherwise")
    func colors() async throws {
        for (environment, hasColors) in [
            (["NO_COLOR": ""], true), (["NO_COLOR": "1"], false), (["NO_COLOR": "", "TERM": "dumb"], false),
        ] {
            let outcome = try await Self.contactService().runOnTerminal(
                Self.update, answer: "n\n", environment: environment)
            #expect(
                outcome.output.contains("\u{1B}[31mold@example.com\u{1B}[0m -> \u{1B}[32mnew@example.com\u{1B}[0m")
                    == hasColors, "\(outcome)")
            #expect(outcome.output.contains("\u{1B}") == hasColors, "\(outcome)")
        }
        let piped = try await Self.contactService().run(
            Self.update + ["--dry-run"], environment: ["TERM": "xterm", "NO_COLOR": ""])
        #expect(!piped.output.contains("\u{1B}"), "\(piped)")
    }

    @Test("control characters of values are escaped")
    func controlCharacters() async throws {
        let fake = FakeChanges([
            "GET \(Self.billing)": [Self.contact],
            "PATCH \(Self.billing)?dry_run=true": [
                .dryRun(
                    #"X\u001b[31m"#, body: #"{"ci\u001bty":"\u202e"}"#,
                    changes: #"[{"field":"apt","from":"\u0007","to":"\n"}]"#)
            ],
        ])
        let outcome = try await fake.run(Self.update + ["--dry-run"])
        #expect(outcome.status == 0 && outcome.output.contains(#"ci\u{1b}ty  \u{202e}"#), "\(outcome)")
        #expect(outcome.output.contains(#"apt         \u{7} -> \u{a}"#), "\(outcome)")
        #expect(!outcome.output.contains("\u{1B}"))
    }

    // MARK: Output

    @Test("if standard output fails, the change is reported on standard error")
    func standardOutput() async throws {
        for (redirection, reason) in [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
            let fake = Self.contactService()
            let outcome = try await fake.with { url in
                await TestProcess.run(
                    "sh",
                    ["-c", "\"$0\" \"$@\" \(redirection)", TestProcess.billingService] + Self.update + [
                        "--yes", "--url", url,
                    ], environment: ["BILLING_TOKEN": "token"])
            }
            #expect(outcome.status == 1 && fake.sent.count == 1, "\(outcome)")
            #expect(outcome.errors.hasSuffix("the change was made, but standard output cannot be written: \(reason)\n"))
        }
    }

    @Test("if the key cannot be printed, nothing is sent")
    func standardError() async throws {
        let fake = Self.contactService()
        let outcome = try await fake.with { url in
            await TestProcess.run(
                "sh",
                ["-c", "\"$0\" \"$@\" 2>/dev/full", TestProcess.billingService] + Self.update + [
                    "--yes", "--url", url,
                ], environment: ["BILLING_TOKEN": "token"])
        }
        #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome)")
        #expect(fake.sent.isEmpty)
    }
}
