/// What is done with an answer that is kept, by its age.
package enum Freshness: Sendable, Equatable {
    /// It is given out.
    case good
    /// It is given out, and renewed if it is in demand.
    case aging
    /// It is given out, and renewed.
    case stale
    /// The source is asked. The answer will do if the source fails.
    case fallback
    /// The source is asked, whatever comes of it.
    case useless

    /// - Parameters:
    ///   - age: Since the source said it.
    ///   - lifetime: For how long it is fresh.
    package init(age: Duration, lifetime: Duration, rules: CacheRules, demand: CacheDemand) {
        let tooOld = demand.ageMax.map { age > $0 } ?? false
        if demand.isNew || tooOld {
            self = .useless
        } else if let freshMin = demand.freshMin, age >= lifetime || age + freshMin > lifetime {
            self = .useless
        } else if age < lifetime {
            self = age >= lifetime * rules.refreshAhead ? .aging : .good
        } else if let staleMax = demand.staleMax {
            self = age - lifetime <= staleMax ? .stale : .useless
        } else if age - lifetime < rules.staleWhileRevalidate {
            self = .stale
        } else {
            self = age - lifetime < rules.staleIfError ? .fallback : .useless
        }
    }

    /// Whether a failure of the source is one that an older answer may stand in for.
    static func standsIn(for failure: BillingFailure) -> Bool {
        switch failure {
        case .budgetSpent, .dayBudgetSpent, .sourceFailed, .sourceRejected, .sourceUnavailable, .timedOut: true
        case .invalid, .selfPay, .accountNotFound, .scopeMissing, .credentialsRefused, .permissionMissing, .notKept,
            .accountListUnusable, .cancelled:
            false
        }
    }
}
