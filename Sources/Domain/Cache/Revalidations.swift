import Synchronization

/// Limits the revalidations of stale answers in the background: one at a time for each answer, a maximum number together, and a
/// pause after one that failed. The pause is for all answers if the source sends no requests, so that a stream of stale answers
/// does not begin a revalidation for each.
final class Revalidations: Sendable {
    private enum State {
        /// The `Revalidation` with this number is in flight.
        case running(Int)
        /// The last one failed. None is started before then.
        case paused(until: Moment)
    }

    private struct States {
        var states: [BillingCache.Key: State] = [:]
        var running = 0
        var lastNumber = 0

        /// None is started before then; `nil` if there was no pause yet.
        var pausedUntil: Moment?

        func hasRoom(_ max: Int, at now: Moment) -> Bool {
            running < max && pausedUntil.map { now >= $0 } ?? true
        }
    }

    /// The right to revalidate one answer. It ends when the last reference is released: the answer can be revalidated again,
    /// and another answer as well.
    final class Revalidation: Sendable {
        let number: Int
        let key: BillingCache.Key
        private let owner: Revalidations

        fileprivate init(_ key: BillingCache.Key, _ number: Int, _ owner: Revalidations) {
            self.key = key
            self.number = number
            self.owner = owner
        }

        func failed(_ failure: BillingFailure, at now: Moment) {
            let end = now + owner.pause
            owner.set(.paused(until: end), self)
            switch (failure, failure.traits.reach) {
            // The source has received a request, or the failure is about this account.
            case (.sourceFailed, _), (.timedOut, _), (_, .account): break
            case (_, .moment), (_, .everything): owner.pauseAll(until: end)
            }
        }

        deinit { owner.ended(key, number) }
    }

    /// Answers whose last revalidation failed and that are remembered. With more than this, answers may be revalidated again
    /// before their pause ends.
    private static let pausedMax = 4096

    private let max: Int
    private let pause: Duration
    private let states = Mutex(States())

    init(max: Int, pause: Duration) {
        self.max = max
        self.pause = pause
    }

    /// `nil` while a revalidation of the answer is in flight, after a failed one, and at the maximum number of them.
    func begin(_ key: BillingCache.Key, at now: Moment) -> Revalidation? {
        states.withLock { states in
            switch states.states[key] {
            case nil: break
            case .running: return nil
            case .paused(let end): guard now >= end else { return nil }
            }
            guard states.hasRoom(max, at: now) else { return nil }
            states.running += 1
            states.lastNumber += 1
            states.states[key] = .running(states.lastNumber)
            return Revalidation(key, states.lastNumber, self)
        }
    }

    /// Whether there is room for another revalidation.
    func hasRoom(at now: Moment) -> Bool { states.withLock { $0.hasRoom(max, at: now) } }

    private func pauseAll(until end: Moment) { states.withLock { $0.pausedUntil = end } }

    /// Records that a new answer was received: the next revalidation need not wait.
    func received(_ key: BillingCache.Key) {
        states.withLock { states in
            if !states.states.isEmpty { states.states[key] = nil }
        }
    }

    private func set(_ state: State, _ revalidation: Revalidation) {
        states.withLock { states in
            guard case .running(revalidation.number)? = states.states[revalidation.key] else { return }
            if states.states.count > Self.pausedMax {
                states.states = states.states.filter { if case .running = $0.value { true } else { false } }
            }
            states.states[revalidation.key] = state
        }
    }

    private func ended(_ key: BillingCache.Key, _ number: Int) {
        states.withLock { states in
            states.running -= 1
            if case .running(number)? = states.states[key] { states.states[key] = nil }
        }
    }
}
