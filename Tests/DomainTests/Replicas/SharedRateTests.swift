import Domain
import DomainFakes
import Testing

@Suite("A rate limit that replicas share")
struct SharedRateTests {
    private static let bulk = ReplicaSimulation.Load(hasBulk: true, interactive: 0)
    private static let idle = ReplicaSimulation.Load(hasBulk: false, interactive: 0)

    private static func simulation(limit: Int, _ loads: [ReplicaSimulation.Load]) -> ReplicaSimulation {
        var simulation = ReplicaSimulation()
        simulation.limit = limit
        simulation.loads = loads
        return simulation
    }

    /// Bulk at two replicas and a few lookups at four.
    private static func mixed(limit: Int) -> ReplicaSimulation {
        let lookups = Double(limit) / 30
        return simulation(
            limit: limit,
            [true, true, false, false].map { .init(hasBulk: $0, interactive: lookups) })
    }

    @Test(
        "Four replicas use 97 % of the rate, and no second has more requests than the limit",
        arguments: [(2, 0.95), (20, 0.965), (60, 0.97)])
    func used(limit: Int, least: Double) {
        let seed = UInt64.random(in: 0 ... .max)
        var simulation = Self.mixed(limit: limit)
        simulation.lateTimers = 0.001
        let result = simulation.run(seconds: 120, seed: seed)
        let used = result.used(of: limit)
        #expect(used >= least && result.mostInOneSecond <= limit, "\(used), seed \(seed)")
    }

    @Test("A replica that is killed every 20 seconds costs less than 3 % of the rate")
    func killed() {
        let seed = UInt64.random(in: 0 ... .max)
        var simulation = Self.simulation(limit: 60, [Self.bulk, Self.bulk, Self.bulk, Self.bulk])
        simulation.faults = [.replicaKilled]
        simulation.faultInterval = 20_000_000
        let result = simulation.run(seconds: 180, seed: seed)
        #expect(result.used(of: 60) >= 0.94 && result.mostInOneSecond <= 60, "\(result.used(of: 60)), seed \(seed)")
    }

    @Test("The whole rate goes to the only replica that needs it")
    func onlyOne() {
        let seed = UInt64.random(in: 0 ... .max)
        var simulation = Self.simulation(limit: 60, [Self.idle, Self.idle, Self.bulk])
        simulation.lateTimers = 0.001
        let result = simulation.run(seconds: 60, seed: seed)
        #expect(result.requestsOf[2] >= 57 * 60 && result.mostInOneSecond <= 60, "\(result.requestsOf), seed \(seed)")
    }

    @Test("Lookups at an idle replica come before the bulk of the others")
    func interactiveFirst() {
        let seed = UInt64.random(in: 0 ... .max)
        let result = Self.simulation(
            limit: 60, [Self.bulk, Self.bulk, .init(hasBulk: false, interactive: 40)]
        ).run(seconds: 60, seed: seed)
        let waits = result.waits.sorted()
        #expect(waits[waits.count * 95 / 100] <= 150_000, "\(waits[waits.count * 95 / 100]) us, seed \(seed)")
        #expect(result.requestsOf[2] >= 38 * 60 && result.used(of: 60) >= 0.96, "\(result.requestsOf), seed \(seed)")
    }

    @Test("While lookups use the whole rate, bulk at another replica still gets a twentieth of it")
    func bulkGoesOn() {
        let seed = UInt64.random(in: 0 ... .max)
        let result = Self.simulation(
            limit: 60, [Self.bulk, .init(hasBulk: false, interactive: 50), .init(hasBulk: false, interactive: 50)]
        ).run(seconds: 60, seed: seed)
        let part = Double(result.requestsOf[0]) / Double(result.requests)
        #expect(part > 0.025 && part < 0.06 && result.mostInOneSecond <= 60, "\(part), seed \(seed)")
    }

    @Test("All replicas together send no more requests in a day than its quota")
    func perDay() {
        let seed = UInt64.random(in: 0 ... .max)
        var simulation = Self.mixed(limit: 20)
        simulation.perDay = 500
        let result = simulation.run(seconds: 60, seed: seed)
        #expect(result.requests <= 500 && result.requests >= 490, "\(result.requests), seed \(seed)")
    }

    @Test(
        "No second has more requests than the limit, whatever fails",
        arguments: ReplicaFault.allCases.map { [$0] } + [ReplicaFault.allCases])
    func faults(_ faults: [ReplicaFault]) async {
        let first = UInt64.random(in: 0...UInt64.max / 2)
        for seed in first..<first + 40 {
            await Task.yield()
            let simulation = ReplicaSimulation.withFaults(faults, seed: seed)
            let result = simulation.run(seconds: 15, seed: seed)
            #expect(result.mostInOneSecond <= simulation.limit, "seed \(seed)")
        }
    }
}
