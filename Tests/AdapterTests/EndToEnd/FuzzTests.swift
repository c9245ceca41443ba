import Foundation
import Testing

@Suite("Fuzzing")
struct FuzzTests {
    private static let program = TestProcess.product("Fuzz")

    @Test("all seeds, past findings and 100 mutations of each run without a trap", .timeLimit(.minutes(10)))
    func corpus() async throws {
        let outcome = await TestProcess.run(Self.program, ["--mutations", "100"])
        // The last line names the input that trapped.
        #expect(outcome.status == 0, "\(outcome.lines.last ?? "") \(outcome.errors.suffix(1000))")
        let targets = Set(outcome.lines.compactMap { $0.split(separator: " ").first })
        #expect(targets.count == 14)
    }

    @Test(
        "at least 100,000 mutations of operators' files and Zoom's responses run without a trap",
        .timeLimit(.minutes(10)),
        arguments: [
            ("credentials-file", 20_000), ("callers-file", 20_000), ("zoom-answer", 10_000), ("token-answer", 35_000),
        ])
    func files(target: String, mutations: Int) async throws {
        try await withTemporaryFolder { folder in
            // The program prints the name of each input before it runs. The list goes to a file because it is long; only its
            // last line matters.
            let command = "exec \"$0\" --mutations \(mutations) \(target) > \(folder)/names"
            let outcome = await TestProcess.run("sh", ["-c", command, Self.program])
            let names = try String(contentsOfFile: folder + "/names", encoding: .utf8).split(separator: "\n")
            #expect(outcome.status == 0, "\(names.last ?? "") \(outcome.errors.suffix(1000))")
            #expect(names.count >= 100_000)
        }
    }
}
