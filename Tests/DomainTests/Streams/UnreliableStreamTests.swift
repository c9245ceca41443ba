import Domain
import DomainFakes
import Testing

@Suite("Streams of cached and missing answers from an unreliable source", .timeLimit(.minutes(10)))
struct UnreliableStreamTests {
    private static func entry() async throws -> CacheEntry {
        let cache = BillingCache(source: FakeSource(), time: TestClock(), rules: CacheRules(), codec: FakeCodec())
        return try await cache.entry(
            for: .billingInformation(of: AccountID(literal: "a")), under: nil, for: .bulk, directives: .none)
    }

    private static func simulation(accounts: Int, share: Double, seed: UInt64) -> ExportSimulation {
        var simulation = ExportSimulation(accounts: accounts, share: share)
        simulation.cached = CachedAccounts((0..<accounts).map { ExportSimulation.account($0) }, seed: seed)
        return simulation
    }

    @Test(
        "The missing answers use 95 % of what the rate limit and the failures leave; revalidations use the rest",
        arguments: [0, 1.0 / 7, 0.3, 0.5], [UInt64(1)])
    func throughput(share: Double, seed: UInt64) async throws {
        let simulation = Self.simulation(accounts: 6000, share: share, seed: seed)
        let missing = try #require(simulation.cached?.missing)
        #expect(missing > 1500)
        let result = try await simulation.run(try await Self.entry(), seed: seed)
        #expect(result.failures == 0)
        #expect(result.exported == Array(0..<6000))
        let perSecond = Double(missing) / (result.elapsed / .seconds(1))
        #expect(perSecond >= 0.95 * (1 - share) * 60, "\(perSecond) a second")
        #expect(result.bufferedMax <= 4096 * 128)
        // A lookup has 1 / (1 - share) attempts on average, and the rate limit counts all requests.
        #expect(result.attempts >= missing)
        #expect(Double(result.attempts) <= Double(missing) / (1 - share) * 1.1)
        let requests = result.attempts + result.revalidations
        #expect(Double(requests) <= 60 * (result.elapsed / .seconds(1)) + 60)
        await simulation.cached?.cache.close()
    }

    @Test("Accounts that always fail have a failure in their place, and delay the others by their deadline only")
    func permanent() async throws {
        var simulation = Self.simulation(accounts: 6000, share: 0.3, seed: 3)
        let cached = try #require(simulation.cached)
        let missing = (0..<6000).filter { cached.run(from: $0, at: Moment(sinceOrigin: .zero)) == nil }
        let failing = [missing[100], missing[missing.count / 2]]
        simulation.failsUntil = Dictionary(uniqueKeysWithValues: failing.map { ($0, .seconds(100_000)) })
        let result = try await simulation.run(try await Self.entry(), seed: 3)
        #expect(result.exported == Array(0..<6000))
        #expect(result.failed == failing)
        #expect(result.elapsed < .seconds(125))
        await cached.cache.close()
    }

    @Test(
        "A stream has one line of each account in order, and repeats a lookup only after it has failed",
        arguments: [0, 1.0 / 7, 0.3, 0.5])
    func lines(share: Double) async throws {
        let accounts = (0..<1500).map { AccountID(literal: "\(10_000 + $0)") }
        /// Whether an attempt fails; the first one is 1.
        @Sendable func fails(_ account: AccountID, _ attempt: Int) -> Bool {
            var random = SeededRandom(seed: (UInt64(account.rawValue) ?? 0) &* 1000 &+ UInt64(attempt))
            return Double.random(in: 0..<1, using: &random) < share
        }
        let source = FakeSource(listed: accounts) { account, attempt async throws(BillingFailure) in
            if account.rawValue.hasSuffix("55") { throw .accountNotFound(account) }
            if fails(account, attempt) { throw .sourceFailed }
            return PermitSource.contact("new")
        }
        var rules = ExportBilling.Rules()
        rules.heartbeat = .seconds(1000)
        let service = StreamedService(source, directory: source, time: AutoAdvancingClock(), export: rules)
        // Blocks of 37 accounts: fresh, stale, missing.
        func part(_ index: Int) -> Int { index / 37 % 3 }
        for (index, account) in accounts.enumerated() where part(index) < 2 {
            service.store(account, age: part(index) == 0 ? .seconds(60) : StreamedService.stale)
        }
        let recorder = try await service.export()
        try await service.settle()
        #expect(recorder.accounts == accounts)
        let missing = accounts.indices.filter { part($0) == 2 }.map { accounts[$0] }
        let isMissing = Set(missing)
        let unknown = missing.filter { $0.rawValue.hasSuffix("55") }
        #expect(unknown.count == 3)
        let expected = accounts.map { account in
            !isMissing.contains(account)
                ? "old"
                : unknown.contains(account)
                    ? "\(BillingFailure.accountNotFound(account))" : "new"
        }
        #expect(recorder.value.lines.map(\.text) == expected)
        #expect(recorder.value.end?.failures == unknown.count)
        #expect(recorder.value.end?.answers == accounts.count - unknown.count)
        let calls = Dictionary(source.calls.map { ($0, 1) }, uniquingKeysWith: +)
        for account in missing {
            let attempts =
                unknown.contains(account) ? 1 : (1...).first { !fails(account, $0) }
            #expect(calls[account] == attempts)
        }
        // One revalidation of a stale answer at most, and none of a fresh one.
        for (index, account) in accounts.enumerated() where part(index) < 2 {
            #expect(calls[account] ?? 0 <= part(index))
        }
        await service.close()
    }
}
