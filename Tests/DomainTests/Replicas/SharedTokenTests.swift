import Domain
import DomainFakes
import Testing

/// `make simulate SIMULATION=tokens` runs more seeds, and says how to replay one.
@Suite("An access token that replicas share")
struct SharedTokenTests {
    @Test(
        "Tokens are issued in the order of their rights, and in the end all replicas have a valid one, whatever fails",
        arguments: [ReplicaFault.lossless, ReplicaFault.allCases])
    func faults(_ faults: [ReplicaFault]) async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        for seed in first..<first + 1000 {
            await Task.yield()
            let result = TokenSimulation.withFaults(faults, seed: seed).run(seed: seed)
            #expect(result.broken.isEmpty, "seed \(seed): \(result.broken)")
        }
    }

    @Test("A killed replica that has the right to refresh delays the others for ten seconds and a moment at most")
    func killed() async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        var (killed, longest) = (0, Int64(0))
        for seed in first..<first + 500 {
            await Task.yield()
            let result = TokenSimulation.withKilledReplicas(seed: seed).run(seed: seed)
            #expect(result.broken.isEmpty && result.unfenced == 0, "seed \(seed): \(result.broken)")
            killed += result.replicasKilled
            longest = max(longest, result.longestWait)
        }
        #expect(killed > 100 && longest <= 12_000_000, "\(longest) us, seeds from \(first) on")
    }

    @Test("A change of the secret costs one token, in both worlds", arguments: [false, true])
    func rotated(isSuperseding: Bool) async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        for seed in first..<first + 200 {
            await Task.yield()
            let result = TokenSimulation.withRotation(isSuperseding: isSuperseding).run(seed: seed)
            // One at the start, and one with the new secret.
            #expect(result.broken.isEmpty && result.issued == 2, "seed \(seed): \(result.issued) tokens")
        }
    }
}
