/// The ages that a stored answer may have, by the directives of a request and the rules of the cache. The same as `Freshness`,
/// but in whole milliseconds, and fast enough for each line of a stream.
package struct ServableAges: Sendable {
    package enum Use: Sendable {
        case fresh
        /// Served, and revalidated.
        case stale
        case none
    }

    private let now: Int64

    /// The earliest moment at which the answer may have been received.
    private let earliest: Int64

    private let check: EpochCheck

    /// The time that must remain of the lifetime. Negative if the answer may be stale.
    private let remaining: Int64

    /// - Parameters:
    ///   - canRevalidate: Whether stale answers may be revalidated in the background.
    ///   - check: Which answers may be served.
    package init(
        _ directives: CacheDirectives, _ rules: CacheRules, canRevalidate: Bool, _ check: EpochCheck = .none,
        at now: Moment
    ) {
        self.check = check
        self.now = now.milliseconds
        if directives.noCache {
            earliest = .max
        } else if let maxAge = directives.maxAge {
            earliest = self.now - maxAge.wholeMilliseconds
        } else {
            earliest = .min
        }
        if let minFresh = directives.minFresh {
            remaining = max(minFresh.wholeMilliseconds, 1)
        } else if let maxStale = directives.maxStale {
            remaining = -maxStale.wholeMilliseconds
        } else if canRevalidate, rules.staleWhileRevalidate > .zero {
            remaining = 1 - rules.staleWhileRevalidate.wholeMilliseconds
        } else {
            remaining = 1
        }
    }

    /// - Parameters:
    ///   - receivedAt: In milliseconds of `Moment`.
    ///   - lifetime: In milliseconds.
    package func use(receivedAt: Int64, lifetime: Int64, epoch: AnswerEpoch = .first) -> Use {
        guard receivedAt >= earliest, check.permits(epoch) else { return .none }
        let age = max(now - receivedAt, 0)
        guard age + remaining <= lifetime else { return .none }
        return age < lifetime ? .fresh : .stale
    }
}

extension ServableAges {
    func permits(_ answer: StoredAnswer) -> Bool {
        let use = use(
            receivedAt: answer.receivedAt.milliseconds, lifetime: answer.lifetime.wholeMilliseconds, epoch: answer.epoch
        )
        switch use {
        case .fresh, .stale: return true
        case .none: return false
        }
    }
}

extension Duration {
    /// Rounded down, and limited to a range that can be added.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return min(max(seconds, 0), 1 << 40) * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
