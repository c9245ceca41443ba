import Domain
import DomainFakes
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

    @Test("A stream uses a cached answer as a lookup does, whatever its age and the directives", arguments: [1, 2, 3])
    func servableAges(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        // Small numbers, so that ages meet the limits exactly, and some large ones.
        func duration() -> Duration {
            .milliseconds(
                [0, 1, 1, 10, 100_000][Int.random(in: 0..<5, using: &random)] * Int.random(in: 0...5, using: &random))
        }
        var uses = [0, 0, 0]
        for _ in 0..<30_000 {
            var rules = CacheRules()
            rules.staleWhileRevalidate = duration()
            rules.staleIfError = duration()
            var directives = CacheDirectives()
            directives.noCache = Int.random(in: 0..<10, using: &random) == 0
            if Bool.random(using: &random) { directives.maxAge = duration() }
            if Int.random(in: 0..<3, using: &random) == 0 { directives.minFresh = duration() }
            if Int.random(in: 0..<3, using: &random) == 0 { directives.maxStale = duration() }
            let canRevalidate = Bool.random(using: &random)
            let now = Moment(sinceOrigin: .seconds(1000) + duration())
            let ages = ServableAges(directives, rules, canRevalidate: canRevalidate, at: now)
            let (age, lifetime) = (duration(), duration())
            let expected: ServableAges.Use =
                switch Freshness(age: age, lifetime: lifetime, rules: rules, directives: directives) {
                case .fresh, .refreshAhead: .fresh
                case .stale: directives.maxStale != nil || canRevalidate ? .stale : .none
                case .staleIfError, .expired: .none
                }
            let used = ages.use(
                receivedAt: Self.milliseconds((now - age).sinceOrigin), lifetime: Self.milliseconds(lifetime))
            #expect(used == expected, "age \(age), lifetime \(lifetime), \(directives), \(rules), seed \(seed)")
            uses[expected == .fresh ? 0 : expected == .stale ? 1 : 2] += 1
        }
        #expect(uses.allSatisfy { $0 > 1000 }, "\(uses)")
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    }
}
