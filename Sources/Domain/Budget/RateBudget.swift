/// Decides when each request to a rate-limited source may be sent. A pure state machine: it receives events and the
/// current time, and returns the next step.
///
/// - It grants at most the rate in any one second, and less while other clients use the rate too (`Pacer`,
///   `SlidingWindowEstimator`).
/// - Interactive requests go before bulk, and callers share the permits fairly (`FairQueue`). A request is refused at
///   once if its expected wait exceeds its queue timeout.
/// - A part of the daily quota is reserved for interactive requests (`DailyQuota`).
package struct RateBudget: Sendable {
    package typealias Ticket = FairQueue.Ticket

    package struct Rules: Sendable, Equatable {
        /// Requests in any one second, of all clients together.
        package var perSecond: Int

        /// Requests per day, of all clients together; `nil` for no limit.
        package var perDay: Int?

        /// The fraction of both limits that we may use, above 0 to 1.
        package var share: Double

        /// The fraction of our daily quota that is reserved for interactive requests.
        package var dayReserve = 0.1

        /// While interactive requests wait, bulk gets one permit in this many.
        package var bulkEvery = 20

        /// The maximum number of queued interactive requests. With more, the wait would exceed every queue timeout.
        package var waitersMax = 2000

        package init(perSecond: Int, perDay: Int? = nil, share: Double = 1) {
            self.perSecond = perSecond
            self.perDay = perDay
            self.share = share
        }
    }

    /// Why a request is refused.
    package enum Refusal: Sendable, Equatable {
        /// The expected `wait` exceeds the queue timeout.
        case busy(wait: Duration)
        /// The daily quota is used up for this priority. It resets after `wait`.
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

        /// When the request is refused; `nil` for no deadline.
        let deadline: Moment?
    }

    private var waiters: [Ticket: Waiter] = [:]

    /// The source asked us to send nothing before this time.
    private var blockedUntil: Moment?

    /// In use while the source does not report the remaining quota. Only refusals then show that others use the rate.
    private var caution = AIMDThrottle()

    package init(rules: Rules) {
        self.rules = rules
        pace = Pacer(perSecond: Double(rules.perSecond) * rules.share)
        second = SlidingWindowEstimator(limit: rules.perSecond, ourShare: rules.share)
        let perDay = rules.perDay.map { Int(Double($0) * rules.share) }
        day = DailyQuota(limit: perDay, reserve: perDay.map { Int(Double($0) * rules.dayReserve) } ?? 0)
        queue = FairQueue(bulkEvery: rules.bulkEvery)
    }

    /// The current usage, for metrics.
    package struct Standing: Sendable, Equatable {
        /// The maximum number of our requests in any one second.
        package let perSecond: Double
        package let waiting: Int
        /// The maximum number of our requests per day; `nil` for no limit.
        package let dayLimit: Int?
        package let dayUsed: Int
    }

    package func standing(at timestamp: Timestamp) -> Standing {
        Standing(
            perSecond: Double(rules.perSecond) * rules.share, waiting: queue.count, dayLimit: day.limit,
            dayUsed: day.spent(at: timestamp))
    }

    // MARK: Requests

    /// Requests a permit.
    ///
    /// - Parameters:
    ///   - ticket: Identifies the request; unique.
    ///   - queueTimeout: The maximum time in the queue; `nil` for no limit.
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

    /// Removes a request that no longer waits.
    package mutating func leave(_ ticket: Ticket) {
        queue.leave(ticket)
        waiters[ticket] = nil
    }

    /// The next step. Call again after `goes` and `refused`.
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
        // The quota that other clients leave fluctuates, so evenly spaced requests would often miss it. Each response
        // reports what is left now, and the next request uses that.
        let allowed = max(blockedUntil ?? now, caution.nextSlot(at: now))
        return second.isShared ? second.nextSlot(at: allowed) : max(pace.nextSlot(at: now), allowed)
    }

    /// Our current number of requests per second.
    private var rate: Double {
        min(Double(rules.perSecond) * rules.share * caution.factor, second.ourRate)
    }

    // MARK: Responses

    /// Records a request that the source accepted.
    ///
    /// - Parameter left: The remaining quota of the same second, if the source reports it.
    package mutating func passed(left: Int?, sent: Moment, at now: Moment) {
        if let left {
            second.told(left: left, sent: sent, at: now)
            caution.isTold()
        }
        caution.passed(at: now)
    }

    /// Records a request that the source refused because of its rate limit per second.
    ///
    /// - Parameter retryAfter: How long the source asked us to wait, if it did.
    package mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        second.told(left: 0, isRefused: true, sent: sent, at: now)
        caution.refused(at: now)
        // Delay the next request, so that the refused requests do not all return at once.
        blockedUntil = now + (retryAfter ?? .seconds(1) / Double(rules.perSecond))
    }

    /// Records a request that the source refused because of its daily quota.
    package mutating func refusedForToday(retryAfter: Duration?, at timestamp: Timestamp) {
        let end =
            retryAfter.map { Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + $0.components.seconds) }
            ?? DailyQuota.end(of: timestamp)
        day.exhausted(until: end, at: timestamp)
    }
}
