import Domain
import Testing

@Suite("What a kept answer is good for")
struct FreshnessTests {
    private static func demand(_ change: (inout CacheDemand) -> Void) -> CacheDemand {
        var demand = CacheDemand()
        change(&demand)
        return demand
    }

    private static let anyAge = demand { $0.staleMax = .seconds(1_000_000) }

    @Test(
        "is decided by its age and by what is asked for",
        arguments: [
            // Fresh for 100 s, renewed ahead after 80, given out stale for 10 more, in the place of a failure for 1000.
            (0, .none, .good), (79, .none, .good), (80, .none, .aging), (99, .none, .aging), (100, .none, .stale),
            (109, .none, .stale), (110, .none, .fallback), (1099, .none, .fallback), (1100, .none, .useless),
            (0, demand { $0.isNew = true }, .useless), (99, demand { $0.isNew = true }, .useless),
            (30, demand { $0.ageMax = .seconds(30) }, .good), (31, demand { $0.ageMax = .seconds(30) }, .useless),
            (105, demand { $0.ageMax = .seconds(200) }, .stale), (201, demand { $0.ageMax = .seconds(200) }, .useless),
            (0, demand { $0.ageMax = .zero }, .good), (1, demand { $0.ageMax = .zero }, .useless),
            // A request that says how stale an answer may be gets none that is staler, whatever the rules allow.
            (150, demand { $0.staleMax = .seconds(50) }, .stale),
            (151, demand { $0.staleMax = .seconds(50) }, .useless),
            (105, demand { $0.staleMax = .seconds(1) }, .useless), (90_000, anyAge, .stale),
            (60, demand { $0.freshMin = .seconds(40) }, .good), (61, demand { $0.freshMin = .seconds(40) }, .useless),
            (99, demand { $0.freshMin = .zero }, .aging), (100, demand { $0.freshMin = .zero }, .useless),
            (500, demand { $0.freshMin = .zero }, .useless),
            (50, demand { $0.isKept = true }, .good), (500, demand { $0.isKept = true }, .fallback),
        ] as [(Int, CacheDemand, Freshness)])
    func table(age: Int, demand: CacheDemand, freshness: Freshness) {
        var rules = CacheRules()
        rules.staleWhileRevalidate = .seconds(10)
        rules.staleIfError = .seconds(1000)
        #expect(
            Freshness(age: .seconds(age), lifetime: .seconds(100), rules: rules, demand: demand) == freshness)
    }
}
