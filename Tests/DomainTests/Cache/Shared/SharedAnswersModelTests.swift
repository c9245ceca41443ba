import Domain
import DomainFakes
import Testing

@Suite("Model of shared answers", .timeLimit(.minutes(10)))
struct SharedAnswersModelTests {
    /// Runs the seeds of a range, and collects what is wrong.
    private static func run(_ seeds: ClosedRange<UInt64>, steps: Int) async throws -> SharedAnswersModel.Summary {
        var sum = SharedAnswersModel.Summary()
        for seed in seeds {
            let summary = try await Simulation.run(seed: seed) { time in
                await SharedAnswersModel(seed: seed, time).run(steps: steps)
            }
            for difference in summary.differences.prefix(3) { sum.differences.append("seed \(seed): \(difference)") }
            sum.reads += summary.reads
            sum.hits += summary.hits
            sum.lines += summary.lines
            sum.calls += summary.calls
            sum.writes += summary.writes
        }
        return sum
    }

    @Test(
        "No replica serves an answer that it must know to be old, whatever happens to calls, messages, data and replicas",
        arguments: [0, 1])
    func model(half: UInt64) async throws {
        let sum = try await Self.run(half * 1000...half * 1000 + 999, steps: 25)
        #expect(sum.differences.isEmpty, "\(sum.differences.prefix(10))")
        #expect(sum.reads > 10_000 && sum.hits > 1000 && sum.lines > 1000 && sum.writes > 1000, "\(sum)")
        #expect(sum.calls < sum.reads)
    }

    @Test("The same seed gives the same run")
    func replay() async throws {
        let first = try await Self.run(7...30, steps: 40)
        let second = try await Self.run(7...30, steps: 40)
        #expect("\(first)" == "\(second)")
    }
}
