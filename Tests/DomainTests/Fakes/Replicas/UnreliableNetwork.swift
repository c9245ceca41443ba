/// Decides when a message of a simulation arrives. Late messages overtake one another.
struct UnreliableNetwork: Sendable {
    /// The fraction of the messages that are lost, late and doubled.
    var lost = 0.0
    var late = 0.0
    var doubled = 0.0

    /// The latest arrival of a late message, in microseconds.
    var latestArrival: Int64 = 400_000

    /// The time in microseconds until a message arrives; nil if it is lost.
    func latency(using random: inout SeededRandom) -> Int64? {
        let chance = Double.random(in: 0..<1, using: &random)
        if chance < lost { return nil }
        if chance < lost + late { return .random(in: 2000...latestArrival, using: &random) }
        return .random(in: 100...1500, using: &random)
    }

    /// The same for each copy of a message that arrives.
    func latencies(using random: inout SeededRandom) -> [Int64] {
        let copies = Double.random(in: 0..<1, using: &random) < doubled ? 2 : 1
        var latencies: [Int64] = []
        for _ in 0..<copies {
            if let latency = latency(using: &random) { latencies.append(latency) }
        }
        return latencies
    }
}
