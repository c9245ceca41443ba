import Foundation
import Testing

@Suite("What is made up")
struct FuzzTests {
    private static let program = TestProcess.product("Fuzz")

    @Test("breaks nothing: every seed, what was once found, and changed copies of both", .timeLimit(.minutes(5)))
    func corpus() async throws {
        let outcome = await TestProcess.run(Self.program, ["--mutations", "100"])
        // The last line names what trapped.
        #expect(outcome.status == 0, "\(outcome.lines.last ?? "") \(outcome.errors.suffix(1000))")
        let targets = Set(outcome.lines.compactMap { $0.split(separator: " ").first })
        #expect(targets.count == 13)
    }

    @Test(
        "leads into no trap, whether an operator has written it or Zoom: at least 100,000 changed copies of each kind",
        .timeLimit(.minutes(10)),
        arguments: [
            ("credentials-file", 20_000), ("callers-file", 20_000), ("zoom-answer", 10_000), ("token-answer", 35_000),
        ])
    func files(target: String, mutations: Int) async throws {
        try await withTemporaryFolder { folder in
            // It names each before it is run, which is too much to be kept: the last one is what counts.
            let command = "exec \"$0\" --mutations \(mutations) \(target) > \(folder)/names"
            let outcome = await TestProcess.run("sh", ["-c", command, Self.program])
            let names = try String(contentsOfFile: folder + "/names", encoding: .utf8).split(separator: "\n")
            #expect(outcome.status == 0, "\(names.last ?? "") \(outcome.errors.suffix(1000))")
            #expect(names.count >= 100_000)
        }
    }
}
