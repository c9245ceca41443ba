import Foundation
import Testing

/// The examples of `docs/accounts.md` work.
@Suite("docs/accounts.md", .timeLimit(.minutes(10)))
struct AccountsPageTests {
    @Test("the commands on the page work in order, from Zoom's pages and from the account list")
    func commands() async throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "docs/accounts.md"), encoding: .utf8)
        try await RunningService.with(["--sandbox-accounts", "700"]) { service in
            for isListed in [false, true] {
                if isListed { _ = await service.curl("/v2/billing/stream?limit=1") }
                try await withTemporaryFolder { folder in
                    let outcome = await TestProcess.run(
                        "sh", ["-ec", "cd \(folder)\n\(text.blocks("sh").joined(separator: "\n"))"],
                        environment: ["BASE": service.base, "TOKEN": service.token])
                    #expect(outcome.status == 0, "\(outcome.errors)")
                    let lines = outcome.lines
                    #expect(lines.prefix(50).allSatisfy { $0.split(separator: "\t").count == 3 })
                    #expect(lines.dropFirst(50).first == "700")
                    #expect(outcome.output.contains("@example.com\"") && outcome.output.contains("\"plan_base\""))
                    let ids = try String(contentsOfFile: folder + "/ids.txt", encoding: .utf8)
                        .split(separator: "\n")
                    #expect(Set(ids).count == 700 && (ids == ids.sorted()) == isListed)
                }
            }
        }
    }
}
