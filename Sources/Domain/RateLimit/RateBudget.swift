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

    /// Where the slots come from.
    private enum Supply {
        case local(LocalRate)
        /// Replicas share the rate limit.
        case shared(SlotHolder)
    }

    private let rules: Rules
    private var supply: Supply
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
        supply = .local(LocalRate(limit: rules.perSecond, share: rules.share))
        dailyQuota = DailyQuota(limit: rules.ownPerDay, reserve: rules.ownDayReserve)
        queue = FairQueue(bulkEvery: rules.bulkEvery)
    }

    /// A budget that replicas share.
    ///
    /// - Parameter replicas: The number of replicas that is assumed until it is known.
    package init(sharing rules: Rules, replicas: Int) {
        self.init(rules: rules)
        supply = .shared(SlotHolder(limit: rules.perSecond, rules: rules.ofLedger, replicas: replicas))
    }

    /// The current usage, for metrics.
    package struct Usage: Sendable, Equatable {
        /// The maximum number of our requests in any one second.
        package let perSecond: Double
        package let waiting: Int
        /// The maximum number of our requests per day; `nil` for no limit.
        package let dayLimit: Int?
        package let dayUsed: Int
        /// Whether this replica uses its own share of a rate limit that replicas share, since the ledger does not answer; `nil`
        /// if the rate limit is not shared.
        package let isOwnShare: Bool?
    }

    package func usage(at timestamp: Timestamp) -> Usage {
        let isOwnShare: Bool? = if case .shared(let holder) = supply { holder.isOwnShare } else { nil }
        return Usage(
            perSecond: Double(rules.perSecond) * rules.share, waiting: queue.count, dayLimit: dailyQuota.limit,
            dayUsed: dailyQuota.spent(at: timestamp), isOwnShare: isOwnShare)
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
        let slot = nextSlot(at: now)
        if queue.isEmpty, let slot, slot <= now {
            spend(at: now, timestamp)
            return .granted
        }
        if let queueTimeout {
            let wait =
                (slot ?? askMoment(at: now) ?? now) - now + .seconds(Double(queue.permitsBefore(purpose)) / perSecond)
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

    /// The next step. Call again after `grant` and `refuse`, and after `received` and `failed`.
    package mutating func step(at now: Moment, _ timestamp: Timestamp) -> Step {
        guard !queue.isEmpty else { return idle(at: now) }
        let slot = nextSlot(at: now)
        let first = firstDeadline
        if let first, first.moment <= now, slot.map({ $0 > now }) ?? true {
            leave(first.ticket)
            return .refuse(first.ticket, .busy(wait: slot.map { $0 - now } ?? .seconds(1 / perSecond)))
        }
        guard let slot, slot <= now else {
            if slot == nil, let refusal = refusalOfDay(timestamp) { return refusal }
            // Without a slot, the reply of the ledger causes the next step.
            let moment = slot ?? now + Self.replyWaitMax
            return .wait(until: min(moment, askMoment(at: now) ?? moment, first?.moment ?? moment))
        }
        guard let ticket = queue.next() else { return .idle }
        let priority = waiters.removeValue(forKey: ticket)?.priority ?? .bulk
        if let wait = dailyQuota.wait(for: priority, at: timestamp) {
            return .refuse(ticket, .dailyQuotaSpent(wait: wait))
        }
        spend(at: now, timestamp)
        return .grant(ticket)
    }

    /// While nothing is queued: a replica that uses its own share looks for the ledger until that is back.
    private func idle(at now: Moment) -> Step {
        guard let moment = askMoment(at: now) else { return .idle }
        return .wait(until: moment)
    }

    /// Refuses a queued request for which the daily quota is used up. The ledger grants it no slot then.
    private mutating func refusalOfDay(_ timestamp: Timestamp) -> Step? {
        guard dailyQuota.wait(for: .bulk, at: timestamp) != nil else { return nil }
        for (ticket, waiter) in waiters {
            guard let wait = dailyQuota.wait(for: waiter.priority, at: timestamp) else { continue }
            leave(ticket)
            return .refuse(ticket, .dailyQuotaSpent(wait: wait))
        }
        return nil
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
        switch supply {
        case .local(var rate):
            rate.spend(at: now)
            supply = .local(rate)
            dailyQuota.spend(at: timestamp)
        case .shared(var holder):
            if !holder.spend(at: now) { dailyQuota.spend(at: timestamp) }
            supply = .shared(holder)
        }
    }

    /// When the next request may be sent, not before `now`; `nil` if the shared ledger must grant a slot first.
    private mutating func nextSlot(at now: Moment) -> Moment? {
        switch supply {
        case .local(let rate): return rate.nextSlot(at: now)
        case .shared(var holder):
            defer { supply = .shared(holder) }
            return holder.nextSlot(at: now)
        }
    }

    /// The number of our requests per second, as far as it can be expected.
    private var perSecond: Double {
        switch supply {
        case .local(let rate): rate.perSecond
        case .shared(let holder): holder.perSecond
        }
    }

    // MARK: Responses

    /// Records a request that the source accepted.
    ///
    /// - Parameter remaining: The remaining quota of the same second, if the source reports it.
    package mutating func accepted(remaining: Int?, sent: Moment, at now: Moment) {
        switch supply {
        case .local(var rate):
            rate.accepted(remaining: remaining, sent: sent, at: now)
            supply = .local(rate)
        case .shared(var holder):
            holder.accepted(remaining: remaining, sent: sent, at: now)
            supply = .shared(holder)
        }
    }

    /// Records a request that the source refused because of its rate limit per second.
    ///
    /// - Parameter retryAfter: How long the source asked us to wait, if it did.
    package mutating func refused(retryAfter: Duration?, sent: Moment, at now: Moment) {
        switch supply {
        case .local(var rate):
            rate.refused(retryAfter: retryAfter, sent: sent, at: now)
            supply = .local(rate)
        case .shared(var holder):
            holder.refused(retryAfter: retryAfter, sent: sent, at: now)
            supply = .shared(holder)
        }
    }

    /// Records a request that the source refused because of its daily quota.
    package mutating func dailyQuotaExhausted(retryAfter: Duration?, at timestamp: Timestamp) {
        let end =
            retryAfter.map { Timestamp(secondsSinceEpoch: timestamp.secondsSinceEpoch + $0.components.seconds) }
            ?? DailyQuota.end(of: timestamp)
        dailyQuota.exhausted(until: end, at: timestamp)
        guard case .shared(var holder) = supply else { return }
        holder.dailyQuotaExhausted(for: .seconds(end.secondsSinceEpoch - timestamp.secondsSinceEpoch))
        supply = .shared(holder)
    }

    // MARK: The shared ledger

    /// How long `step` waits at most for the reply of the ledger.
    private static let replyWaitMax = Duration.seconds(1)

    private func askMoment(at now: Moment) -> Moment? {
        guard case .shared(let holder) = supply else { return nil }
        return holder.askMoment(queued: queue.count, at: now)
    }

    /// The request to send to the shared ledger now; `nil` if there is none. Call this after each step, and
    /// `received` or `failed` when the request has ended.
    package mutating func takeRequest(at now: Moment) -> SlotRequest? {
        guard case .shared(var holder) = supply else { return nil }
        let request = holder.takeRequest(
            callers: queue.callerCount, others: queue.count - queue.callerCount, at: now)
        supply = .shared(holder)
        return request
    }

    /// Records the reply of the shared ledger.
    ///
    /// - Parameter replicas: The number of replicas; `nil` if unknown.
    package mutating func received(
        _ reply: SlotReply, replicas: Int?, at now: Moment, _ timestamp: Timestamp
    ) {
        guard case .shared(var holder) = supply else { return }
        holder.received(reply, at: now)
        if let replicas { holder.replicas = replicas }
        supply = .shared(holder)
        dailyQuota.learn(
            spent: Int(reply.spent), onDay: reply.day,
            exhaustedFor: reply.exhaustedFor > 0 ? .microseconds(reply.exhaustedFor) : nil, at: timestamp)
    }

    /// Records that the shared ledger did not answer in time.
    package mutating func failed(at now: Moment) {
        guard case .shared(var holder) = supply else { return }
        holder.failed(at: now)
        supply = .shared(holder)
    }
}

extension RateBudget.Rules {
    /// The requests per day that we may send; `nil` for no limit.
    fileprivate var ownPerDay: Int? { perDay.map { Int(Double($0) * share) } }

    /// The part of `ownPerDay` that is reserved for requests for which a caller waits.
    fileprivate var ownDayReserve: Int { perDay.map { Int(Double(Int(Double($0) * share)) * dayReserve) } ?? 0 }

    /// The same rules for replicas that share the limits.
    package var ofLedger: SlotLedger.Rules {
        SlotLedger.Rules(
            rate: max(Int64(Double(perSecond) * share * 1000), 1), perDay: Int64(ownPerDay ?? 0),
            dayReserve: Int64(ownDayReserve), bulkEvery: Int64(bulkEvery))
    }
}
