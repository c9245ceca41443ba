import Domain
import DomainFakes

/// Simulates a rate-limited source, a rival client that uses it too, and our rate budget: hours in milliseconds.
struct RateSimulation {
    enum Rival: CaseIterable {
        case none
        /// Half of the limit, at random times.
        case atRandom
        /// In each of its slots with a probability of one half.
        case everyOtherSlot
        /// A random fraction of the limit, which changes every five seconds.
        case inWaves
    }

    struct Interactive {
        let caller: Name
        let every: Duration
    }

    struct Result {
        var accepted = 0
        var refused = 0
        var rivalAccepted = 0
        var bulkAccepted = 0
        /// How long each interactive request waited for a permit.
        var waits: [Duration] = []
        var elapsed = Duration.zero

        /// The fraction that we used of the quota the rival left.
        func used(limit: Int) -> Double {
            Double(accepted) / (Double(limit) * (elapsed / .seconds(1)) - Double(rivalAccepted))
        }

        var refusedShare: Double { Double(refused) / Double(max(accepted + refused, 1)) }
    }

    let limit: Int
    var rival = Rival.none
    var interactive: [Interactive] = []
    var hasBulk = true
    /// Whether the source reports the remaining quota.
    var reportsRemaining = true

    private struct Answer {
        let at: Moment
        let sent: Moment
        let remaining: Int?
    }

    func run(for duration: Duration, rules: RateBudget.Rules, seed: UInt64) -> Result {
        var random = SeededRandom(seed: seed)
        var budget = RateBudget(rules: rules)
        var result = Result()
        var now = Moment(sinceOrigin: .zero)
        let end = now + duration
        let timestamp = Timestamp(secondsSinceEpoch: 1_769_860_800)
        var rivals = rivalMoments(until: end, &random)
        var counted: [Moment] = []
        var answers: [Answer] = []
        var ticket: RateBudget.Ticket = 0
        var bulk: Set<RateBudget.Ticket> = []
        var entered: [RateBudget.Ticket: Moment] = [:]
        var nextRequests = interactive.map { _ in
            now + .milliseconds(Int.random(in: 0..<1000, using: &random))
        }

        /// Counts a request that reaches the source. Returns the remaining quota; nil if the request is refused.
        func take(at moment: Moment) -> Int? {
            counted.removeAll { moment - $0 >= .seconds(1) }
            guard counted.count < limit else { return nil }
            counted.append(moment)
            return limit - counted.count
        }
        func send() {
            let arrival = now + .microseconds(Int.random(in: 500...2500, using: &random))
            while let first = rivals.last, first <= arrival {
                rivals.removeLast()
                if take(at: first) != nil { result.rivalAccepted += 1 }
            }
            let remaining = take(at: arrival)
            answers.append(
                Answer(
                    at: arrival + .microseconds(Int.random(in: 500...2500, using: &random)), sent: now,
                    remaining: remaining))
        }

        while now < end {
            for answer in answers where answer.at <= now {
                if let remaining = answer.remaining {
                    result.accepted += 1
                    budget.accepted(remaining: reportsRemaining ? remaining : nil, sent: answer.sent, at: now)
                } else {
                    result.refused += 1
                    budget.refused(retryAfter: nil, sent: answer.sent, at: now)
                }
            }
            answers.removeAll { $0.at <= now }
            for index in interactive.indices where nextRequests[index] <= now {
                ticket += 1
                let purpose = Purpose.interactive(for: interactive[index].caller)
                switch budget.enter(ticket, for: purpose, queueTimeout: .seconds(10), at: now, timestamp) {
                case .granted:
                    result.waits.append(.zero)
                    send()
                case .queued: entered[ticket] = now
                case .refused: result.waits.append(.seconds(10))
                }
                nextRequests[index] =
                    nextRequests[index] + interactive[index].every * Double.random(in: 0.5..<1.5, using: &random)
            }
            while hasBulk, bulk.count < 8 {
                ticket += 1
                switch budget.enter(ticket, for: .bulk, queueTimeout: nil, at: now, timestamp) {
                case .granted:
                    result.bulkAccepted += 1
                    send()
                case .queued: bulk.insert(ticket)
                case .refused: break
                }
            }
            var wakes = end
            stepping: while true {
                switch budget.step(at: now, timestamp) {
                case .idle: break stepping
                case .wait(let moment):
                    // Timers fire late.
                    wakes = max(moment, now) + .microseconds(Int.random(in: 50...1500, using: &random))
                    break stepping
                case .grant(let ticket):
                    if let moment = entered.removeValue(forKey: ticket) { result.waits.append(now - moment) }
                    if bulk.remove(ticket) != nil { result.bulkAccepted += 1 }
                    send()
                case .refuse(let ticket, _):
                    if let moment = entered.removeValue(forKey: ticket) { result.waits.append(now - moment) }
                    bulk.remove(ticket)
                }
            }
            let others = answers.map(\.at) + nextRequests
            now = max(min(wakes, others.min() ?? end), now + .microseconds(1))
        }
        result.elapsed = now - Moment(sinceOrigin: .zero)
        return result
    }

    /// When the rival sends its requests, latest first.
    private func rivalMoments(until end: Moment, _ random: inout SeededRandom) -> [Moment] {
        var moments: [Moment] = []
        var now = Moment(sinceOrigin: .zero)
        func afterSlots(_ slots: Double) -> Duration { .seconds(slots / Double(limit)) }
        switch rival {
        case .none: break
        case .atRandom, .inWaves:
            var rate = 0.5
            var changes = now
            while now < end {
                if rival == .inWaves, now >= changes {
                    rate = Double.random(in: 0.02...0.98, using: &random)
                    changes = now + .seconds(5)
                }
                // Nearly an exponential distribution: the sum of many small probabilities.
                var slots = 0.0
                repeat { slots += 0.02 } while Double.random(in: 0..<1, using: &random) > 0.02 * rate
                now = now + afterSlots(slots)
                moments.append(now)
            }
        case .everyOtherSlot:
            while now < end {
                now = now + afterSlots(1)
                if Bool.random(using: &random) { moments.append(now) }
            }
        }
        return moments.reversed()
    }
}
