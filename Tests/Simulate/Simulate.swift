import DomainFakes
import Foundation

/// Simulates replicas that share a rate limit: `Simulate SECONDS [FIRST SEED [COUNT]]`. Prints each seed that breaks a rule, and
/// ends with status 1 then. With a count of 1, prints each event.
@main
struct Simulate {
    static func main() {
        let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
        guard let seconds = numbers.first, numbers.count == CommandLine.arguments.count - 1 else {
            print("usage: Simulate SECONDS [FIRST SEED [COUNT]]")
            exit(2)
        }
        let first = numbers.dropFirst().first ?? .random(in: 0...UInt64.max / 2)
        let count = numbers.dropFirst(2).first ?? .max - first
        let end = ContinuousClock.now + .seconds(Int64(clamping: seconds))
        var runs: UInt64 = 0
        var failed: [UInt64] = []
        while runs < count, ContinuousClock.now < end {
            let seed = first + runs
            runs += 1
            let simulation = ReplicaSimulation.withFaults(ReplicaSimulation.Fault.allCases, seed: seed)
            let result = simulation.run(seconds: 30, seed: seed, trace: count == 1 ? { print($0) } : nil)
            if result.mostInOneSecond > simulation.limit {
                failed.append(seed)
                print("seed \(seed): \(result.mostInOneSecond) requests in a second, the limit is \(simulation.limit)")
            }
        }
        print("\(runs) seeds from \(first) on: \(failed.count) broke a rule")
        if !failed.isEmpty { exit(1) }
    }
}
