import Foundation
import Testing

/// The examples of `docs/streaming.md` work.
@Suite("docs/streaming.md", .timeLimit(.minutes(10)))
struct StreamingPageTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "docs/streaming.md"), encoding: .utf8)
    }

    @Test("the consumers on the page work: curl and jq, Python, sqlite, DuckDB")
    func consumers() async throws {
        try await RunningService.with(["--sandbox-accounts", "300"]) { service in
            try await withTemporaryFolder { folder in
                let program = URL(filePath: TestProcess.billingService).deletingLastPathComponent().path(
                    percentEncoded: false)
                let tools = TestProcess.root.appending(path: ".venv/bin").path(percentEncoded: false)
                let environment = ["BASE": service.base, "TOKEN": service.token]
                let lines = text.blocks("sh").joined(separator: "\n")
                let shell = await TestProcess.run(
                    "sh",
                    [
                        "-ec",
                        "cd \(folder)\nPATH=\(program):\(tools):$PATH\n\(lines)\nwc -l < countries.tsv; wc -l < failures.tsv",
                    ],
                    environment: environment)
                #expect(shell.status == 0, "\(shell)")
                #expect(shell.output.contains("US,") && shell.output.hasSuffix("297\n3\n"), "\(shell.output)")
                let parquet = await TestProcess.run(
                    tools + "/duckdb",
                    [
                        "-csv", "-noheader", "-c",
                        "SELECT count(*), count(DISTINCT account_id), count(email), min(as_of) > '2020-01-01' "
                            + "FROM '\(folder)/billing.parquet'",
                    ])
                #expect(parquet.output == "297,297,297,true\n", "\(parquet)")
                let python = try #require(text.blocks("python").first { !$0.contains("sqlite3") })
                let outcome = await TestProcess.run(
                    TestProcess.root.appending(path: ".venv/bin/python").path(percentEncoded: false), ["-c", python],
                    environment: environment)
                #expect(outcome.output == "300 3\n", "\(outcome)")
            }
        }
    }
}
