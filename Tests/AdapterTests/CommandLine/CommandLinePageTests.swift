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

    @Test("the commands on the page work with a service and its sandbox, and print what the page shows")
    func commands() async throws {
        try await withTemporaryFolder { folder in
            // The commands without a service call this sandbox, which has the same accounts.
            let zoom = TestProcess(
                TestProcess.billingService,
                ["sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", folder + "/credentials.json"])
            let base = String(
                try #require(
                    try await zoom.output(containing: "Listening on ").firstMatch(of: /http:\/\/[0-9.:]+/)
                ).output)
            try await RunningService.with { service in
                let accounts = await TestProcess.run("curl", ["-s", base + "/sandbox/accounts"]).output
                let freeAccount = try #require(accounts.firstMatch(of: /"free":"([^"]+)"/)).output.1
                let account = try #require(service.accountPath.split(separator: "/").dropFirst(2).first)
                let list = await service.curl("/v2/accounts/\(account)/billing/invoices?from=2026-01-01&to=2026-06-30")
                let invoice = try #require(list.output.firstMatch(of: /"id":"(\w+)"/)).output.1
                let folderOfProgram = URL(filePath: TestProcess.billingService).deletingLastPathComponent()
                let lines = text.blocks("sh").joined(separator: "\n")
                    .replacing("http://127.0.0.1:8080", with: service.base)
                    .replacing("http://127.0.0.1:9090", with: service.ops)
                    .replacing(
                        "--credentials-file credentials.json",
                        with: "--credentials-file credentials.json --zoom-api-url \(base)/v2 --zoom-oauth-url "
                            + "\(base)/oauth/token")
                let outcome = await TestProcess.run(
                    "sh", ["-ec", "cd '\(folder)'\n\(lines)"],
                    environment: [
                        "PATH": folderOfProgram.path(percentEncoded: false) + ":"
                            + (ProcessInfo.processInfo.environment["PATH"] ?? ""),
                        "HOME": folder, "TOKEN": service.token, "ACCOUNT": String(account),
                        "FREE_ACCOUNT": String(freeAccount), "INVOICE": String(invoice),
                    ])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.errors.ranges(of: "Idempotency-Key: ").count == 7, "\(outcome)")
                let dryRun = try #require(text.blocks("text").first)
                for text in [
                    "READY", "\"checks\": [", "pay_mode", "Oakland", "plan_base", "invoice_number", "Example Street",
                    dryRun,
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

    @Test("the table of exit codes is complete")
    func exitCodes() {
        let rows = text.split(separator: "\n").compactMap { $0.wholeMatch(of: /\| (\d+) \| (.*) \|/)?.output }
        #expect(rows.map { "\($0.1) \($0.2)" } == ExitStatus.allCases.map { "\($0.rawValue) \($0.meaning)" })
    }
}
