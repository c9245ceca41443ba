import Adapters
import BillingService
import Foundation
import Testing

/// The examples of `docs/command-line.md` work.
@Suite("docs/command-line.md", .timeLimit(.minutes(10)))
struct CommandLinePageTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "docs/command-line.md"), encoding: .utf8)
    }

    private static let lookups: [String: Reply] = [
        "/v2/accounts?page_size=10": .json(#"{"accounts":[{"id":"a-1"}]}"#),
        "/v2/accounts?page_size=300": .json(#"{"accounts":[{"id":"a-1"},{"id":"a-2"}]}"#),
        "/v2/accounts/a-1": .json(#"{"id":"a-1","options":{"pay_mode":"master"}}"#),
        "/v2/accounts/a-1/billing": .json(#"{"city":"Oakland"}"#),
        "/v2/accounts/a-1/plans": .json(#"{"plan_base":{"type":"monthly","hosts":3}}"#),
        "/v2/accounts/a-1/plans/usage": .json(#"{"plan_base":{"type":"monthly","usage":2}}"#),
        "/v2/accounts/a-1/billing/invoices?from=2026-01-01&to=2026-06-30":
            .json(#"{"currency":"USD","invoices":[{"id":"i-1","total_amount":1.50}]}"#),
        "/v2/accounts/a-1/billing/invoices/i-1": .json(#"{"id":"i-1","total_amount":1.50}"#),
        "/v2/billing/invoices/i-1/download": .pdf(Array("%PDF-1.7\n".utf8)),
    ]

    private static let plan = #"{"type":"business_yearly","hosts":12}"#
    private static let key = "/v2/billing/idempotency-keys/my-key-1"

    /// The answers by method, path and query, in their order.
    private static var answers: [String: [Reply]] {
        let account = "/v2/accounts/a-1"
        let checked = Reply.dryRun(
            "Update a base plan", body: plan, changes: #"[{"field":"hosts","from":"10","to":"12"}]"#)
        var answers = Dictionary(uniqueKeysWithValues: lookups.map { ("GET " + $0.key, [$0.value]) })
        answers["GET \(account)/billing"] = [.json(#"{"city":"Oakland"}"#, [(.etag, #""e""#)])]
        for (request, answer) in [
            ("PATCH \(account)/billing", Reply.noContent()), ("PUT \(account)/plans/base", .noContent()),
            ("POST \(account)/plans/addons", .json(#"{"plan_webinar":[{"type":"w","hosts":1}]}"#, status: 201)),
            ("PATCH \(account)/plans/addons/status", .noContent()),
            ("POST /v2/accounts/a-2/plans", .json("{}", status: 201)),
        ] {
            answers[request + "?dry_run=true"] = [checked]
            answers[request] = [answer]
        }
        answers["PUT \(account)/plans/base"] = [
            .noContent(), .noContent(), .noContent([(FieldName("idempotent-replayed"), "true")]),
        ]
        answers["GET " + key] = [
            .problem(404, "idempotency-key-not-found"), .json(#"{"key":"my-key-1","state":"finished"}"#),
        ]
        answers["DELETE " + key] = [.noContent()]
        return answers
    }

    @Test("the commands on the page work")
    func commands() async throws {
        try await withTemporaryFolder { folder in
            let zoom = TestProcess(
                TestProcess.billingService,
                ["sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", folder + "/credentials.json"])
            let base = String(
                try #require(
                    try await zoom.output(containing: "Listening on ").firstMatch(of: /http:\/\/[0-9.:]+/)
                ).output)
            try await withServer(FakeChanges(Self.answers)) { server in
                let blocks = text.blocks("sh")
                // The id of an account of the sandbox is on the page, in the block for the sandbox.
                let id = try #require(text.firstMatch(of: /get --sandbox (\w+)/)).output.1
                let folderOfProgram = URL(filePath: TestProcess.billingService).deletingLastPathComponent()
                let lines = blocks.joined(separator: "\n")
                    .replacing("http://127.0.0.1:8080", with: "http://127.0.0.1:\(server.port)")
                    .replacing(
                        "--credentials-file credentials.json \"$ACCOUNT\"",
                        with: "--credentials-file credentials.json --zoom-api-url \(base)/v2 --zoom-oauth-url "
                            + "\(base)/oauth/token \(id)")
                let outcome = await TestProcess.run(
                    "sh", ["-ec", "cd '\(folder)'\n\(lines)"],
                    environment: [
                        "PATH": folderOfProgram.path(percentEncoded: false) + ":"
                            + (ProcessInfo.processInfo.environment["PATH"] ?? ""),
                        "HOME": folder, "TOKEN": "token", "ACCOUNT": "a-1", "FREE_ACCOUNT": "a-2", "INVOICE": "i-1",
                    ])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.errors.hasPrefix("invoice.pdf: 9 bytes\n"), "\(outcome)")
                #expect(outcome.errors.ranges(of: "Idempotency-Key: ").count == 7, "\(outcome)")
                for text in [
                    "pay_mode", "Oakland", "monthly", "1.50", "Example Street", "hosts  10 -> 12",
                    "Done. An earlier request with this key made the change.", "finished", "removed the key my-key-1",
                ] {
                    #expect(outcome.output.contains(text), "\(text): \(outcome.output)")
                }
                for file in [
                    "accounts.ndjson", "invoice.pdf", ".local/share/bash-completion/completions/billing-service",
                    ".zfunc/_billing-service", ".config/fish/completions/billing-service.fish",
                ] {
                    #expect(FileManager.default.fileExists(atPath: folder + "/" + file), "\(file)")
                }
            }
            zoom.signal(SIGTERM)
            #expect(await zoom.outcome().status == 0)
        }
    }

    @Test("the output on the page is that of the commands")
    func output() async throws {
        let request = "PUT /v2/accounts/AAAAAAAAAAAvABxanPZvqA/plans/base?dry_run=true"
        let outcome = try await FakeChanges(
            [request: Self.answers["PUT /v2/accounts/a-1/plans/base?dry_run=true"] ?? []]
        ).run([
            "update", "base-plan", "AAAAAAAAAAAvABxanPZvqA", "--dry-run", "--type", "business_yearly", "--hosts", "12",
        ])
        #expect(text.blocks("text")[0] == outcome.output.dropLast(), "\(outcome)")
    }

    @Test("the table of exit codes is complete")
    func exitCodes() {
        let rows = text.split(separator: "\n").compactMap { $0.wholeMatch(of: /\| (\d+) \| (.*) \|/)?.output }
        #expect(rows.map { "\($0.1) \($0.2)" } == ExitStatus.allCases.map { "\($0.rawValue) \($0.meaning)" })
    }
}
