/// What is done with an answer that is kept, by its age.
package enum Freshness: Sendable, Equatable {
    /// It is given out.
    case fresh
    /// It is given out, and renewed if it is in demand.
    case refreshAhead
    /// It is given out, and renewed.
    case stale
    /// The source is asked. The answer will do if the source fails.
    case staleIfError
    /// The source is asked, whatever comes of it.
    case expired

    /// - Parameters:
    ///   - age: Since the source said it.
    ///   - lifetime: For how long it is fresh.
    package init(age: Duration, lifetime: Duration, rules: CacheRules, demand: CacheDirectives) {
        let tooOld = demand.maxAge.map { age > $0 } ?? false
        if demand.noCache || tooOld {
            self = .expired
        } else if let minFresh = demand.minFresh, age >= lifetime || age + minFresh > lifetime {
            self = .expired
        } else if age < lifetime {
            self = age >= lifetime * rules.refreshAhead ? .refreshAhead : .fresh
        } else if let maxStale = demand.maxStale {
            self = age - lifetime <= maxStale ? .stale : .expired
        } else if age - lifetime < rules.staleWhileRevalidate {
            self = .stale
        } else {
            self = age - lifetime < rules.staleIfError ? .staleIfError : .expired
        }
    }
}
