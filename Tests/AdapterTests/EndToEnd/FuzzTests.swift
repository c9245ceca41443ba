import Foundation
import Testing

@Suite("What is made up", .fewAtATime)
struct FuzzTests {
    private static let program = TestProcess.product("Fuzz")

    @Test("breaks nothing: every seed, what was once found, and changed copies of both", .timeLimit(.minutes(5)))
    func corpus() async throws {
        let outcome = await TestProcess.run(Self.program, ["--mutations", "100"])
        // The last line names what trapped.
        #expect(outcome.status == 0, "\(outcome.lines.last ?? "") \(outcome.errors.suffix(1000))")
        let targets = Set(outcome.lines.compactMap { $0.split(separator: " ").first })
        #expect(targets.count == 10)
    }
}
