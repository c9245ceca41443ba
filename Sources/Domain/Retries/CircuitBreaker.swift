/// A circuit breaker: refuses requests to a source that fails repeatedly, and admits a probe from time to time until
/// the source recovers.
package struct CircuitBreaker: Sendable, Equatable {
    private enum State: Equatable {
        /// Requests are admitted. Counts the failures in a row.
        case closed(failures: Int)
        /// Requests are refused until then. The next one is admitted as a probe. `after` is the current back-off.
        case open(until: Moment, after: Duration)
        /// A probe is in flight since then. Other requests are refused until it ends.
        case halfOpen(since: Moment, after: Duration)
    }

    package enum Admission: Sendable, Equatable {
        case admitted
        /// Requests within this time would be refused as well.
        case refused(retryAfter: Duration)
    }

    /// Failures in a row that open the circuit. If a source fails half of its calls at random, one run in a million is
    /// as long, so the circuit stays closed. At a bulk rate, a source that is down reaches it within a second.
    private static let failuresMax = 20

    private static let firstBackOff = Duration.seconds(5)
    private static let backOffMax = Duration.seconds(60)

    /// A probe that has not ended after this time no longer blocks other requests.
    private static let probeTimeout = Duration.seconds(30)

    private var state = State.closed(failures: 0)

    package init() {}

    package var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Whether a request may be sent now. Unless the circuit is closed, an admitted request is the probe.
    package mutating func enter(at now: Moment) -> Admission {
        switch state {
        case .closed: return .admitted
        case .open(let until, let after):
            guard now >= until else { return .refused(retryAfter: until - now) }
            state = .halfOpen(since: now, after: after)
            return .admitted
        case .halfOpen(let since, let after):
            guard now - since >= Self.probeTimeout else { return .refused(retryAfter: .seconds(1)) }
            state = .halfOpen(since: now, after: after)
            return .admitted
        }
    }

    /// The outcome of a request.
    package enum Outcome: Sendable, Equatable {
        /// The source answered, even with a refusal.
        case answered
        /// The source failed or did not answer.
        case failed
        /// The request did not reach the source, or was cancelled before the answer.
        case unknown
    }

    package mutating func ended(_ outcome: Outcome, at now: Moment) {
        switch (outcome, state) {
        case (.answered, _): state = .closed(failures: 0)
        case (.failed, .closed(let failures)) where failures + 1 < Self.failuresMax:
            state = .closed(failures: failures + 1)
        case (.failed, .closed): state = .open(until: now + Self.firstBackOff, after: Self.firstBackOff)
        case (.failed, .halfOpen(_, let after)):
            let longer = min(after * 2, Self.backOffMax)
            state = .open(until: now + longer, after: longer)
        // The next request becomes the probe.
        case (.unknown, .halfOpen(_, let after)): state = .open(until: now, after: after)
        // Requests that were in flight when the circuit opened.
        case (.failed, .open), (.unknown, .open), (.unknown, .closed): break
        }
    }
}
