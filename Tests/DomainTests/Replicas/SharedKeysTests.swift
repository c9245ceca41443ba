import Domain
import DomainFakes
import Testing

/// `make simulate SIMULATION=keys` runs more seeds, and says how to replay one.
@Suite("Idempotency keys that replicas share")
struct SharedKeysTests {
    @Test(
        "While the store keeps what it has confirmed, no change is executed twice, whatever else fails",
        arguments: 0..<4)
    func lossless(part: Int) async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        var (executed, answers) = (0, 0)
        for seed in first..<first + 500 {
            await Task.yield()
            let result = KeySimulation.withFaults(ReplicaFault.lossless, seed: seed).run(seed: seed)
            #expect(result.broken.isEmpty && result.repeatedAfterLoss == 0, "seed \(seed): \(result.broken)")
            executed += result.executed
            answers += result.answers
        }
        #expect(executed > 500 && answers > executed)
    }

    @Test("Without faults, the leases of changes that wait for longer than a lease are renewed")
    func renewed() async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        for seed in first..<first + 200 {
            await Task.yield()
            let result = KeySimulation.withoutFaults().run(seed: seed)
            #expect(result.broken.isEmpty && result.lapsed == 0, "seed \(seed): \(result.broken)")
        }
    }

    @Test("When the store loses data, a change is executed once more for each loss at most", arguments: 0..<2)
    func lossy(part: Int) async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        var repeated = 0
        for seed in first..<first + 500 {
            await Task.yield()
            let result = KeySimulation.withFaults(ReplicaFault.allCases, seed: seed).run(seed: seed)
            #expect(result.broken.isEmpty, "seed \(seed): \(result.broken)")
            repeated += result.repeatedAfterLoss
        }
        // The simulation can find a change that is executed twice.
        #expect(repeated > 0)
    }
}
