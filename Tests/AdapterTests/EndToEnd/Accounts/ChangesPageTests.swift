import Foundation
import Testing

/// The examples of `docs/changes.md` work.
@Suite("docs/changes.md", .timeLimit(.minutes(10)))
struct ChangesPageTests {
    @Test("the commands on the page work in order")
    func commands() async throws {
        let text = try String(contentsOf: TestProcess.root.appending(path: "docs/changes.md"), encoding: .utf8)
        try await RunningService.with([]) { service in
            let account = String(service.accountPath.split(separator: "/")[2])
            try await withTemporaryFolder { folder in
                let outcome = await TestProcess.run(
                    "sh", ["-ec", "cd \(folder)\n\(text.blocks("sh").joined(separator: "\n"))"],
                    environment: ["BASE": service.base, "TOKEN": service.token, "ID": account])
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(
                    outcome.lines.filter { $0 != "not possible" } == [
                        "204", "Berkeley", "finished", "404", "email", "country", "colour",
                    ])
            }
        }
    }
}
