/// How the cache uses an answer, by its age.
package enum Freshness: Sendable, Equatable {
    /// Served.
    case fresh
    /// Served, and revalidated if it is in demand.
    case refreshAhead
    /// Served, and revalidated.
    case stale
    /// Not served unless the source fails.
    case staleIfError
    /// Not served.
    case expired

    /// - Parameters:
    ///   - age: The time since the source gave the answer.
    ///   - lifetime: How long the answer is fresh.
    package init(age: Duration, lifetime: Duration, rules: CacheRules, directives: CacheDirectives) {
        let tooOld = directives.maxAge.map { age > $0 } ?? false
        if directives.noCache || tooOld {
            self = .expired
        } else if let minFresh = directives.minFresh, age >= lifetime || age + minFresh > lifetime {
            self = .expired
        } else if age < lifetime {
            self = age >= lifetime * rules.refreshAhead ? .refreshAhead : .fresh
        } else if let maxStale = directives.maxStale {
            self = age - lifetime <= maxStale ? .stale : .expired
        } else if age - lifetime < rules.staleWhileRevalidate {
            self = .stale
        } else {
            self = age - lifetime < rules.staleIfError ? .staleIfError : .expired
        }
    }
}
