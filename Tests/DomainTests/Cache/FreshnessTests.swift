import Domain
import Testing

@Suite("Freshness of cached answers")
struct FreshnessTests {
    private static func directives(_ change: (inout CacheDirectives) -> Void) -> CacheDirectives {
        var directives = CacheDirectives()
        change(&directives)
        return directives
    }

    private static let anyAge = directives { $0.maxStale = .seconds(1_000_000) }

    @Test(
        "The freshness of a cached answer follows from its age and the cache directives",
        arguments: [
            // Fresh for 100 s, refreshed ahead after 80 s, stale-while-revalidate for 10 s more, stale-if-error for
            // 1000 s.
            (0, .none, .fresh), (79, .none, .fresh), (80, .none, .refreshAhead), (99, .none, .refreshAhead),
            (100, .none, .stale),
            (109, .none, .stale), (110, .none, .staleIfError), (1099, .none, .staleIfError), (1100, .none, .expired),
            (0, directives { $0.noCache = true }, .expired), (99, directives { $0.noCache = true }, .expired),
            (30, directives { $0.maxAge = .seconds(30) }, .fresh),
            (31, directives { $0.maxAge = .seconds(30) }, .expired),
            (105, directives { $0.maxAge = .seconds(200) }, .stale),
            (201, directives { $0.maxAge = .seconds(200) }, .expired),
            (0, directives { $0.maxAge = .zero }, .fresh), (1, directives { $0.maxAge = .zero }, .expired),
            // max-stale replaces the limits of the rules.
            (150, directives { $0.maxStale = .seconds(50) }, .stale),
            (151, directives { $0.maxStale = .seconds(50) }, .expired),
            (105, directives { $0.maxStale = .seconds(1) }, .expired), (90_000, anyAge, .stale),
            (60, directives { $0.minFresh = .seconds(40) }, .fresh),
            (61, directives { $0.minFresh = .seconds(40) }, .expired),
            (99, directives { $0.minFresh = .zero }, .refreshAhead),
            (100, directives { $0.minFresh = .zero }, .expired),
            (500, directives { $0.minFresh = .zero }, .expired),
            (50, directives { $0.onlyIfCached = true }, .fresh),
            (500, directives { $0.onlyIfCached = true }, .staleIfError),
        ] as [(Int, CacheDirectives, Freshness)])
    func table(age: Int, directives: CacheDirectives, freshness: Freshness) {
        var rules = CacheRules()
        rules.staleWhileRevalidate = .seconds(10)
        rules.staleIfError = .seconds(1000)
        #expect(
            Freshness(age: .seconds(age), lifetime: .seconds(100), rules: rules, directives: directives) == freshness)
    }
}
