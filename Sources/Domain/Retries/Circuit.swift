/// Stops asking a source that fails and fails, and asks once in a while whether it is back.
package struct Circuit: Sendable, Equatable {
    private enum State: Equatable {
        /// So many failures in a row, so far.
        case closed(failures: Int)
        /// Nobody asks before that moment; after it, one does.
        case open(until: Moment, after: Duration)
        /// One asks, since that moment; the others wait for what becomes of it.
        case halfOpen(since: Moment, after: Duration)
    }

    package enum Admission: Sendable, Equatable {
        case goes
        /// Whoever comes back before that finds it as it is.
        case refused(retryAfter: Duration)
    }

    /// Failures in a row that open the circuit. Of a source that fails half of its calls at random, one run in a million is
    /// as long, so it is still asked; at a bulk rate a source that is down reaches it within a second.
    private static let failuresMax = 20

    private static let shortest = Duration.seconds(5)
    private static let longest = Duration.seconds(60)

    /// One who asks and never says how it went does not keep the others away for longer.
    private static let probeMax = Duration.seconds(30)

    private var state = State.closed(failures: 0)

    package init() {}

    package var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Whether somebody may ask now.
    package mutating func enter(at now: Moment) -> Admission {
        switch state {
        case .closed: return .goes
        case .open(let until, let after):
            guard now >= until else { return .refused(retryAfter: until - now) }
            state = .halfOpen(since: now, after: after)
            return .goes
        case .halfOpen(let since, let after):
            guard now - since >= Self.probeMax else { return .refused(retryAfter: .seconds(1)) }
            state = .halfOpen(since: now, after: after)
            return .goes
        }
    }

    /// What became of a request.
    package enum Outcome: Sendable, Equatable {
        /// The source answered, be it with a refusal.
        case answered
        /// The source failed, or gave no answer.
        case failed
        /// It never came to the source, or nobody waited for the answer.
        case unknown
    }

    package mutating func ended(_ outcome: Outcome, at now: Moment) {
        switch (outcome, state) {
        case (.answered, _): state = .closed(failures: 0)
        case (.failed, .closed(let failures)) where failures + 1 < Self.failuresMax:
            state = .closed(failures: failures + 1)
        case (.failed, .closed): state = .open(until: now + Self.shortest, after: Self.shortest)
        case (.failed, .halfOpen(_, let after)):
            let longer = min(after * 2, Self.longest)
            state = .open(until: now + longer, after: longer)
        // Whoever comes next asks instead.
        case (.unknown, .halfOpen(_, let after)): state = .open(until: now, after: after)
        // Of those that were under way when it opened.
        case (.failed, .open), (.unknown, .open), (.unknown, .closed): break
        }
    }
}
