/// The cache directives of a request (RFC 9111, 5.2.1).
package struct CacheDirectives: Sendable, Equatable {
    /// A new answer from the source is necessary.
    package var noCache = false

    /// The answer must not be cached.
    package var noStore = false

    /// The maximum age of the answer.
    package var maxAge: Duration?

    /// How long the answer must remain fresh. With zero it must be fresh now; with `nil` it may be stale.
    package var minFresh: Duration?

    /// How long the answer may have been stale, whatever the rules of the cache; `nil` for the rules of the cache.
    package var maxStale: Duration?

    /// Only a cached answer is acceptable: no request to the source.
    package var onlyIfCached = false

    package init() {}

    /// No directives.
    package static let none = CacheDirectives()
}

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
            self = rules.isRefreshDue(age: age, lifetime: lifetime) ? .refreshAhead : .fresh
        } else if let maxStale = directives.maxStale {
            self = age - lifetime <= maxStale ? .stale : .expired
        } else if age - lifetime < rules.staleWhileRevalidate {
            self = .stale
        } else {
            self = age - lifetime < rules.staleIfError ? .staleIfError : .expired
        }
    }
}
