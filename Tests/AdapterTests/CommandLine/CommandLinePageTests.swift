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

    private static let answers: [String: Reply] = [
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
            try await withServer(FakeBilling(Self.answers)) { server in
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
                        "HOME": folder, "TOKEN": "token", "ACCOUNT": "a-1", "INVOICE": "i-1",
                    ])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.errors == "invoice.pdf: 9 bytes\n", "\(outcome)")
                for text in ["pay_mode", "Oakland", "monthly", "1.50", "Example Street"] {
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

    @Test("the table of exit codes is complete")
    func exitCodes() {
        let rows = text.split(separator: "\n").compactMap { $0.wholeMatch(of: /\| (\d+) \| (.*) \|/)?.output }
        #expect(rows.map { "\($0.1) \($0.2)" } == ExitStatus.allCases.map { "\($0.rawValue) \($0.meaning)" })
    }
}
