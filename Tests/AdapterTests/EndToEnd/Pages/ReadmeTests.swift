import Foundation
import Testing

/// The examples of the README work.
@Suite("README", .timeLimit(.minutes(10)))
struct ReadmeTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "README.md"), encoding: .utf8)
    }

    @Test("the commands with curl and the export work")
    func commands() async throws {
        let shell = text.blocks("sh").filter { !$0.hasPrefix("make ") && !$0.contains("docker ") }
        #expect(shell.count == 3)
        try await RunningService.with { service in
            try await withTemporaryFolder { folder in
                let account = try #require(service.accountPath.split(separator: "/").dropFirst(2).first)
                var outputs: [String] = []
                for command in shell {
                    let outcome = await TestProcess.run(
                        "sh",
                        ["-ec", "cd '\(folder)'\n\(command.replacing("http://127.0.0.1:8080", with: service.base))"],
                        environment: service.environment(["ACCOUNT": String(account), "BILLING_TOKEN": service.token]))
                    #expect(outcome.status == 0, "\(outcome.errors)")
                    outputs.append(outcome.output)
                }
                #expect(outputs[0].hasPrefix(#"{"address":"#))
                #expect(outputs[1].split(separator: "\n").count == 1002)
                let table = try String(contentsOfFile: folder + "/billing.csv", encoding: .utf8)
                #expect(table.hasPrefix("account_id,") && table.split(whereSeparator: \.isNewline).count == 1001)
            }
        }
    }

    @Test("every make target in the README exists")
    func targets() async throws {
        let help = await TestProcess.run("make", ["help"])
        #expect(help.status == 0)
        for match in text.matches(of: /make ([a-z-]+)/) {
            #expect(help.output.contains("make \(match.output.1) "))
        }
    }
}
