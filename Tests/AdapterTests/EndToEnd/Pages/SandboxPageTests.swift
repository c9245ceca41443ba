import Foundation
import Testing

/// The examples of `docs/sandbox.md` work.
@Suite("docs/sandbox.md", .timeLimit(.minutes(10)))
struct SandboxPageTests {
    private let text: String

    init() throws {
        text = try String(contentsOf: TestProcess.root.appending(path: "docs/sandbox.md"), encoding: .utf8)
    }

    @Test("the commands on the page work in order")
    func lines() async throws {
        try await withTemporaryFolder { folder in
            let blocks = text.blocks("sh")
            // The first block starts the sandbox with a fixed port; the test uses a free port instead.
            #expect(blocks[0].contains("--sandbox-port 8090"))
            let sandbox = TestProcess(
                TestProcess.billingService,
                ["sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", folder + "/credentials.json"])
            let output = try await sandbox.output(containing: "Listening on ")
            let base = try #require(output.firstMatch(of: /http:\/\/[0-9.]+:[0-9]+/)).output
            let lines = blocks.dropFirst().joined(separator: "\n").replacing("http://127.0.0.1:8090", with: base)
            let outcome = await TestProcess.run("sh", ["-ec", "cd \(folder)\n\(lines)"])
            #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.output.contains(#""country":"#) && outcome.output.contains(#""rate_limited":0"#))
            sandbox.signal(SIGTERM)
            #expect(await sandbox.outcome().status == 0)
        }
    }

    @Test("the page names every fault and every sandbox flag")
    func whole() async throws {
        let help = await TestProcess.run(TestProcess.billingService, ["sandbox", "--help"])
        for flag in help.output.matches(of: /--sandbox-(?:limits|tokens|latency|now|pdf-size|faults-file)/) {
            #expect(text.contains(flag.output))
        }
        let wrong = await TestProcess.run(
            "sh",
            [
                "-c",
                "printf '{\"faults\":[{\"fault\":\"x\"}]}' > $0.json; \(TestProcess.billingService) sandbox "
                    + "--sandbox-faults-file $0.json; code=$?; rm $0.json; exit $code",
                FileManager.default.temporaryDirectory.appending(path: "faults-\(UUID().uuidString)").path(
                    percentEncoded: false),
            ])
        #expect(wrong.status == 78)
        let list = try #require(wrong.errors.firstMatch(of: /"fault" must be one of ([a-z0-9, -]+)/)).output.1
        let kinds = list.split(separator: ", ")
        #expect(kinds.count == 31)
        for kind in kinds { #expect(text.contains("`\(kind)`"), "\(kind) is not on the page") }
    }
}
