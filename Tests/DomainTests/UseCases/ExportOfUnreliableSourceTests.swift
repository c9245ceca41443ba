import Domain
import DomainFakes
import Testing

@Suite("Export from an unreliable source", .timeLimit(.minutes(10)))
struct ExportOfUnreliableSourceTests {
    private static let seeds: [UInt64] = [1]

    private static func entry() async throws -> CacheEntry {
        let cache = BillingCache(source: FakeSource(), time: TestClock(), rules: CacheRules(), codec: FakeCodec())
        return try await cache.entry(
            for: .billingInformation(of: AccountID(literal: "a")), under: nil, for: .bulk, directives: .none)
    }

    @Test(
        "An export uses 95 % of what the rate limit and the failures leave, fails no account, and keeps the order",
        arguments: [0, 0.15, 0.3, 0.5], seeds)
    func throughput(share: Double, seed: UInt64) async throws {
        let simulation = ExportSimulation(accounts: 2000, share: share)
        let result = try await simulation.run(try await Self.entry(), seed: seed)
        #expect(result.failures == 0)
        #expect(result.exported == Array(0..<2000))
        let perSecond = 2000 / (result.elapsed / .seconds(1))
        #expect(perSecond >= 0.95 * (1 - share) * 60, "\(perSecond) a second")
        #expect(result.bufferedMax <= 4096)
    }

    @Test(
        "An export of several kinds takes as long as the rate limit that is needed most, however many calls fail",
        arguments: zip(
            // Contacts and plans share a rate limit, and usage has another.
            [[0, 0, 1], [0, 1], [0, 0, 1]], [0, 0, 0.3]))
    func kinds(labels: [Int], share: Double) async throws {
        var simulation = ExportSimulation(accounts: 2000, share: share)
        simulation.kinds = labels
        simulation.rates = [60, 40]
        let result = try await simulation.run(try await Self.entry(), seed: 1)
        #expect(result.failures == 0)
        #expect(result.exported == (0..<2000).flatMap { account in labels.map { _ in account } })
        let calls = [60.0, 40.0].enumerated().map { label, perSecond in
            Double(labels.count { $0 == label } * 2000) / perSecond / (1 - share)
        }
        let ideal = try #require(calls.max())
        #expect(result.elapsed <= .seconds(ideal / 0.95), "\(result.elapsed) instead of \(ideal) s")
    }

    @Test("An export fails no account at a low rate, where the deadline leaves few attempts", arguments: seeds)
    func lowRate(seed: UInt64) async throws {
        let result = try await ExportSimulation(accounts: 500, perSecond: 2, share: 0.5).run(
            try await Self.entry(), seed: seed)
        #expect(result.failures == 0)
        #expect(result.exported == Array(0..<500))
    }

    @Test("Interactive requests get a permit within two slots during an export, in 99 % of cases", arguments: seeds)
    func interactive(seed: UInt64) async throws {
        var simulation = ExportSimulation(accounts: 5000, share: 0.5)
        simulation.interactiveEvery = .milliseconds(400)
        let waits = try await simulation.run(try await Self.entry(), seed: seed).waits.sorted()
        #expect(waits.count > 200)
        #expect(waits[waits.count * 99 / 100] <= .seconds(2.0 / 60))
    }

    @Test("An export retries an account that fails for fifty seconds, and looks up others meanwhile", arguments: seeds)
    func recovers(seed: UInt64) async throws {
        var simulation = ExportSimulation(accounts: 6000, share: 0)
        simulation.failsUntil = [10: .seconds(50), 2000: .seconds(80)]
        let result = try await simulation.run(try await Self.entry(), seed: seed)
        #expect(result.failures == 0)
        #expect(result.exported == Array(0..<6000))
        #expect(6000 / (result.elapsed / .seconds(1)) >= 0.95 * 60)
        #expect(result.bufferedMax > 2000 && result.bufferedMax <= 4096)
    }

    @Test(
        "An export gives up an account that always fails after a minute and few attempts, without delaying others",
        arguments: [true, false], seeds)
    func permanent(isOrdered: Bool, seed: UInt64) async throws {
        var simulation = ExportSimulation(accounts: 6000, isOrdered: isOrdered, share: 0.05)
        simulation.failsUntil = [100: .seconds(100_000), 3000: .seconds(100_000)]
        let result = try await simulation.run(try await Self.entry(), seed: seed)
        #expect(result.failures == 2)
        #expect(result.exported.sorted() == Array(0..<6000))
        #expect(isOrdered == (result.exported == Array(0..<6000)))
        #expect(result.elapsed < .seconds(125))
        // The back-off is 5 s at most, and half of that on average.
        #expect(result.attempts < Int(6000 / 0.93) + 2 * 40)
    }
}
