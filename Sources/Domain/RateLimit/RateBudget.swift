/// Decides when each request to a rate-limited source may be sent. A pure state machine: it receives events and the
/// current time, and returns the next step.
///
/// - It grants at most the rate in any one second, and less while other clients use the rate too (`LocalRate`).
/// - Writes go before interactive requests, and those before bulk. Callers share the permits fairly (`FairQueue`). A request
///   is refused at once if its expected wait exceeds its queue timeout.
/// - A part of the daily quota is reserved for requests for which a caller waits (`DailyQuota`).
package struct RateBudget: Sendable {
    package typealias Ticket = FairQueue.Ticket

    package struct Rules: Sendable, Equatable {
        /// Requests in any one second, of all clients together.
        package var perSecond: Int

        /// Requests per day, of all clients together; `nil` for no limit.
        package var perDay: Int?

        /// The fraction of both limits that we may use, above 0 to 1.
        package var share: Double

        /// The fraction of our daily quota that is reserved for requests for which a caller waits.
        package var dayReserve = 0.1

        /// While callers wait, bulk gets one permit in this many.
        package var bulkEvery = 20

        /// The maximum number of queued requests for which a caller waits. With more, the wait would exceed every queue
        /// timeout.
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

    package enum Admission: Sendable, Equatable {
        case granted
        case queued
        case refused(Refusal)
    }

    package enum Step: Sendable, Equatable {
        case idle
        case wait(until: Moment)
        case grant(Ticket)
        case refuse(Ticket, Refusal)
    }

    private let rules: Rules
    private var rate: LocalRate
    private var dailyQuota: DailyQuota
    private var queue: FairQueue

    private struct Waiter {
        let priority: Purpose.Priority

        /// When the request is refused; `nil` for no deadline.
        let deadline: Moment?
    }

    private var waiters: [Ticket: Waiter] = [:]

    package init(rules: Rules) {
        self.rules = rules
        rate = LocalRate(limit: rules.perSecond, share: rules.share)
        let perDay = rules.perDay.map { Int(Double($0) * rules.share) }
        dailyQuota = DailyQuota(limit: perDay, reserve: perDay.map { Int(Double($0) * rules.dayReserve) } ?? 0)
        queue = FairQueue(bulkEvery: rules.bulkEvery)
    }

    /// The current usage, for metrics.
    package struct Usage: Sendable, Equatable {
        /// The maximum number of our requests in any one second.
        package let perSecond: Double
        package let waiting: Int
        /// The maximum number of our requests per day; `nil` for no limit.
        package let dayLimit: Int?
        package let dayUsed: Int
    }

    package func usage(at timestamp: Timestamp) -> Usage {
        Usage(
            perSecond: Double(rules.perSecond) * rules.share, waiting: queue.count, dayLimit: dailyQuota.limit,
            dayUsed: dailyQuota.spent(at: timestamp))
    }

    // MARK: Requests

    /// Requests a permit.
    ///
    /// - Parameters:
    ///   - ticket: Identifies the request; unique.
    ///   - queueTimeout: The maximum time in the queue; `nil` for no limit.
    package mutating func enter(
        _ ticket: Ticket, for purpose: Purpose, queueTimeout: Duration?, at now: Moment, _ timestamp: Timestamp
    ) -> Admission {
        if let wait = dailyQuota.wait(for: purpose.priority, at: timestamp) {
            return .refused(.dailyQuotaSpent(wait: wait))
        }
        let slot = rate.nextSlot(at: now)
        if queue.isEmpty, slot <= now {
            spend(at: now, timestamp)
            return .granted
        }
        if let queueTimeout {
            let wait = slot - now + .seconds(Double(queue.permitsBefore(purpose)) / rate.perSecond)
            let isFull = purpose.priority.isCallerWaiting && queue.callerCount >= rules.waitersMax
            if wait > queueTimeout || isFull { return .refused(.busy(wait: wait)) }
        }
        waiters[ticket] = Waiter(priority: purpose.priority, deadline: queueTimeout.map { now + $0 })
        queue.enter(ticket, for: purpose)
        return .queued
    }

    /// Removes a request that no longer waits.
    package mutating func leave(_ ticket: Ticket) {
        queue.leave(ticket)
        waiters[ticket] = nil
    }

    /// The next step. Call again after `grant` and `refuse`.
    package mutating func step(at now: Moment, _ timestamp: Timestamp) -> Step {
        guard !queue.isEmpty else { return .idle }
        let slot = rate.nextSlot(at: now)
        let first = firstDeadline
        if let first, first.moment <= now, slot > now {
            leave(first.ticket)
            return .refuse(first.ticket, .busy(wait: slot - now))
        }
        guard slot <= now else {
            return .wait(until: min(slot, first?.moment ?? slot))
        }
        guard let ticket = queue.next() else { return .idle }
        let priority = waiters.removeValue(forKey: ticket)?.priority ?? .bulk
        if let wait = dailyQuota.wait(for: priority, at: timestamp) {
            return .refuse(ticket, .dailyQuotaSpent(wait: wait))
        }
        spend(at: now, timestamp)
        return .grant(ticket)
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
        rate.spend(at: now)
        dailyQuota.spend(at: timestamp)
    }

    // MARK: Responses

    /// Records a request that the source accepted.
    ///
    /// - Parameter remaining: The remaining quota of the same second, if the source reports it.
    package mutating func accepted(remaining: Int?, sent: Moment, at now: Moment) {
        rate.accepted(remaining: remaining, sent: sent, at: now)
    }

    /// Records a request that the source refused because of its rate limit per second.
    ///
    /// - Parameter retryAfter: How long the source asked us to wait, if it did.
    package mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        rate.refused(retryAfter: retryAfter, sent: sent, at: now)
    }

    /// Records a request that the source refused because of its daily quota.
    package mutating func dailyQuotaExhausted(retryAfter: Duration?, at timestamp: Timestamp) {
        let end =
            retryAfter.map { Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + $0.components.seconds) }
            ?? DailyQuota.end(of: timestamp)
        dailyQuota.exhausted(until: end, at: timestamp)
    }
}
