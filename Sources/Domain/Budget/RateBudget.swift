/// Decides who may ask a source that counts requests, and when: a value that is told what happens and the time, and is asked
/// for the next step.
///
/// - Never more than the rate in any one second, and less while others use it as well (`Pacer`, `SlidingWindowEstimator`).
/// - Whoever waits for an answer goes before bulk, callers in turn (`FairQueue`), and is told at once if it would take longer
///   than they care to wait.
/// - Of a day's requests some are kept for those who wait (`DailyQuota`).
package struct RateBudget: Sendable {
    package typealias Ticket = FairQueue.Ticket

    package struct Rules: Sendable, Equatable {
        /// Requests in any one second, of everybody together.
        package var perSecond: Int

        /// Requests a day, of everybody together; `nil` for no limit.
        package var perDay: Int?

        /// How much of both is ours, above 0 to 1.
        package var share: Double

        /// How much of our day is kept for those who wait.
        package var dayReserve = 0.1

        /// One turn in so many is bulk's while others wait.
        package var bulkEvery = 20

        /// How many may wait for an answer at a time. More would wait longer than anybody does.
        package var waitersMax = 2000

        package init(perSecond: Int, perDay: Int? = nil, share: Double = 1) {
            self.perSecond = perSecond
            self.perDay = perDay
            self.share = share
        }
    }

    /// Why somebody may not ask.
    package enum Refusal: Sendable, Equatable {
        /// It would take longer than they care to wait; so long.
        case busy(wait: Duration)
        /// Nothing is left of the day for them; it ends after so long.
        case dailyQuotaSpent(wait: Duration)
    }

    package enum Entry: Sendable, Equatable {
        case goes
        case waits
        case refused(Refusal)
    }

    package enum Step: Sendable, Equatable {
        case nobodyWaits
        case waits(until: Moment)
        case goes(Ticket)
        case refused(Ticket, Refusal)
    }

    private let rules: Rules
    private var pace: Pacer
    private var second: SlidingWindowEstimator
    private var day: DailyQuota
    private var queue: FairQueue

    private struct Waiter {
        let priority: Purpose.Priority

        /// When it is refused; `nil` for a request that waits without a limit.
        let deadline: Moment?
    }

    private var waiters: [Ticket: Waiter] = [:]

    /// Nothing goes before that, since the source said so.
    private var blockedUntil: Moment?

    /// Without being told what is left, only refusals say that others use the rate.
    private var caution = AIMDThrottle()

    package init(rules: Rules) {
        self.rules = rules
        pace = Pacer(perSecond: Double(rules.perSecond) * rules.share)
        second = SlidingWindowEstimator(limit: rules.perSecond, ourShare: rules.share)
        let perDay = rules.perDay.map { Int(Double($0) * rules.share) }
        day = DailyQuota(limit: perDay, reserve: perDay.map { Int(Double($0) * rules.dayReserve) } ?? 0)
        queue = FairQueue(bulkEvery: rules.bulkEvery)
    }

    /// How it stands.
    package struct Standing: Sendable, Equatable {
        /// Requests in any one second that are ours.
        package let perSecond: Double
        package let waiting: Int
        /// Requests a day that are ours; `nil` for no limit.
        package let dayLimit: Int?
        package let dayUsed: Int
    }

    package func standing(at timestamp: Timestamp) -> Standing {
        Standing(
            perSecond: Double(rules.perSecond) * rules.share, waiting: queue.count, dayLimit: day.limit,
            dayUsed: day.spent(at: timestamp))
    }

    // MARK: Asking

    /// Somebody wants to ask.
    ///
    /// - Parameters:
    ///   - ticket: To know them by; unlike all others.
    ///   - queueTimeout: The longest time in the queue; `nil` for no limit.
    package mutating func enter(
        _ ticket: Ticket, for purpose: Purpose, queueTimeout: Duration?, at now: Moment, _ timestamp: Timestamp
    ) -> Entry {
        if let wait = day.wait(for: purpose.priority, at: timestamp) { return .refused(.dailyQuotaSpent(wait: wait)) }
        let slot = nextSlot(at: now)
        if queue.isEmpty, slot <= now {
            spend(at: now, timestamp)
            return .goes
        }
        if let queueTimeout {
            let wait = slot - now + .seconds(Double(queue.turnsBefore(purpose)) / rate)
            let isFull = purpose.priority == .interactive && queue.interactiveCount >= rules.waitersMax
            if wait > queueTimeout || isFull { return .refused(.busy(wait: wait)) }
        }
        waiters[ticket] = Waiter(priority: purpose.priority, deadline: queueTimeout.map { now + $0 })
        queue.enter(ticket, for: purpose)
        return .waits
    }

    /// Whoever has this ticket does not wait any longer.
    package mutating func leave(_ ticket: Ticket) {
        queue.leave(ticket)
        waiters[ticket] = nil
    }

    /// What to do next. After each but the first two, ask again.
    package mutating func step(at now: Moment, _ timestamp: Timestamp) -> Step {
        guard !queue.isEmpty else { return .nobodyWaits }
        let slot = nextSlot(at: now)
        let first = firstDeadline
        if let first, first.moment <= now, slot > now {
            leave(first.ticket)
            return .refused(first.ticket, .busy(wait: slot - now))
        }
        guard slot <= now else {
            return .waits(until: min(slot, first?.moment ?? slot))
        }
        guard let ticket = queue.next() else { return .nobodyWaits }
        let priority = waiters.removeValue(forKey: ticket)?.priority ?? .bulk
        if let wait = day.wait(for: priority, at: timestamp) { return .refused(ticket, .dailyQuotaSpent(wait: wait)) }
        spend(at: now, timestamp)
        return .goes(ticket)
    }

    private var firstDeadline: (ticket: Ticket, moment: Moment)? {
        var first: (ticket: Ticket, moment: Moment)?
        for (ticket, waiter) in waiters {
            guard let deadline = waiter.deadline, first.map({ deadline < $0.moment }) ?? true else { continue }
            first = (ticket, deadline)
        }
        return first
    }

    private mutating func spend(at now: Moment, _ timestamp: Timestamp) {
        pace.spend(at: now)
        second.sent(at: now)
        caution.sent(at: now, rate: Double(rules.perSecond) * rules.share)
        day.spend(at: timestamp)
    }

    private func nextSlot(at now: Moment) -> Moment {
        // What others leave comes and goes: who would take it evenly would often be too late, or come at a bad moment. An
        // answer says what is left now, and the next request uses it.
        let allowed = max(blockedUntil ?? now, caution.nextSlot(at: now))
        return second.isShared ? second.nextSlot(at: allowed) : max(pace.nextSlot(at: now), allowed)
    }

    /// How many of ours go in a second, as things are.
    private var rate: Double {
        min(Double(rules.perSecond) * rules.share * caution.factor, second.ourRate)
    }

    // MARK: Answers

    /// A request went through.
    ///
    /// - Parameter left: How many more the source would take in the same second, if it says so.
    package mutating func passed(left: Int?, sent: Moment, at now: Moment) {
        if let left {
            second.told(left: left, sent: sent, at: now)
            caution.isTold()
        }
        caution.passed(at: now)
    }

    /// A request was refused, since there were too many in its second.
    ///
    /// - Parameter retryAfter: For how long the source does not want to be asked, if it says so.
    package mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        second.told(left: 0, isRefused: true, sent: sent, at: now)
        caution.refused(at: now)
        // Not all at the same moment again.
        blockedUntil = now + (retryAfter ?? .seconds(1) / Double(rules.perSecond))
    }

    /// A request was refused, since there were too many in its day.
    package mutating func refusedForToday(retryAfter: Duration?, at timestamp: Timestamp) {
        let end =
            retryAfter.map { Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + $0.components.seconds) }
            ?? DailyQuota.end(of: timestamp)
        day.exhausted(until: end, at: timestamp)
    }
}
