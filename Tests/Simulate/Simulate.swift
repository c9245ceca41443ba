import DomainFakes
import Foundation

/// Simulates what replicas share: `Simulate SECONDS [rates|keys|tokens|all [FIRST SEED [COUNT]]]`. Prints each seed that breaks
/// a promise, and ends with status 1 then. With a count of 1, prints each event.
@main
struct Simulate {
    private enum Kind: String, CaseIterable {
        case rates
        case keys
        case tokens

        /// - Returns: The promises that the seed breaks.
        func run(seed: UInt64, trace: ((String) -> Void)?) -> [String] {
            // Half of the seeds have a store that keeps what it has confirmed.
            let faults = seed / 2 % 2 == 0 ? ReplicaFault.allCases : ReplicaFault.lossless
            switch self {
            case .rates:
                let simulation = ReplicaSimulation.withFaults(ReplicaFault.allCases, seed: seed)
                let result = simulation.run(seconds: 30, seed: seed, trace: trace)
                guard result.mostInOneSecond > simulation.limit else { return [] }
                return ["\(result.mostInOneSecond) requests in a second, the limit is \(simulation.limit)"]
            case .keys: return KeySimulation.withFaults(faults, seed: seed).run(seed: seed, trace: trace).broken
            case .tokens: return TokenSimulation.withFaults(faults, seed: seed).run(seed: seed, trace: trace).broken
            }
        }
    }

    static func main() {
        let words = CommandLine.arguments.dropFirst()
        let name = words.dropFirst().first ?? "all"
        let kinds = name == "all" ? Kind.allCases : Kind(rawValue: name).map { [$0] } ?? []
        let numbers = words.dropFirst(2).compactMap { UInt64($0) }
        guard let seconds = words.first.flatMap({ Int($0) }), seconds > 0, !kinds.isEmpty, words.count <= 4,
            numbers.count == max(words.count - 2, 0)
        else {
            print("usage: Simulate SECONDS [rates|keys|tokens|all [FIRST SEED [COUNT]]]")
            exit(2)
        }
        let first = numbers.first ?? .random(in: 0...UInt64.max / 2)
        let count = numbers.dropFirst().first ?? .max - first
        var hasFailed = false
        for kind in kinds {
            if !run(kind, for: .seconds(seconds) / kinds.count, from: first, count) { hasFailed = true }
        }
        if hasFailed { exit(1) }
    }

    /// - Returns: Whether no seed breaks a promise.
    private static func run(_ kind: Kind, for time: Duration, from first: UInt64, _ count: UInt64) -> Bool {
        let end = ContinuousClock.now + time
        var runs: UInt64 = 0
        var failures = 0
        while runs < count, ContinuousClock.now < end {
            let seed = first + runs
            runs += 1
            let broken = kind.run(seed: seed, trace: count == 1 ? { print($0) } : nil)
            guard !broken.isEmpty else { continue }
            failures += 1
            for text in broken { print("\(kind) \(seed): \(text)") }
            print("Replay it: .build/release/Simulate 60 \(kind) \(seed) 1")
        }
        print("\(kind): \(runs) seeds from \(first) on, \(failures) broke a promise")
        return failures == 0
    }
}
