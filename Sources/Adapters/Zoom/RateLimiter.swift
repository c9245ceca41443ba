import Domain
import Synchronization

/// Lets requests to Zoom through when the domain says so, and tells it what became of them.
final class RateLimiter: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Moment, ZoomFailure>, Never>

    private struct State {
        var budget: RateBudget
        var waiters: [RateBudget.Ticket: Waiter] = [:]
        var lastTicket: RateBudget.Ticket = 0
        var isClosed = false

        /// Lets one through at each slot while somebody waits, and sleeps until the next.
        var pump: Task<Void, Never>?
    }

    private let state: Mutex<State>
    private let time: any TimeSource
    private let queueTimeout: Duration
    private let label: ZoomRateLabel
    private let metrics: ZoomMetrics

    /// - Parameter queueTimeout: The longest time in the queue for an interactive request that names none.
    init(
        _ label: ZoomRateLabel, rules: RateBudget.Rules, queueTimeout: Duration, time: any TimeSource,
        metrics: ZoomMetrics
    ) {
        self.label = label
        self.metrics = metrics
        state = Mutex(State(budget: RateBudget(rules: rules)))
        self.queueTimeout = queueTimeout
        self.time = time
    }

    /// Returns when a request may go, and the moment to know it by in `answered`.
    ///
    /// - Throws: `paced` and `dailyQuotaSpent`; `transport(.cancelled)`.
    func pass(_ purpose: Purpose) async throws(ZoomFailure) -> Moment {
        let began = time.now
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let answer = state.withLock { enter(waiter, ticket, purpose, &$0) }
                if let answer { waiter.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.budget.leave(ticket)
                return state.waiters.removeValue(forKey: ticket)
            }
            waiter?.resume(returning: .failure(.transport(.cancelled)))
        }
        switch result {
        case .success(let sent):
            metrics.waited(label, purpose.priority, sent - began)
            metrics.sent(label)
            return sent
        case .failure(let failure):
            metrics.turnedAway(label, failure)
            throw failure
        }
    }

    /// An answer at once, or `nil` when the request has joined the queue.
    private func enter(
        _ waiter: Waiter, _ ticket: RateBudget.Ticket, _ purpose: Purpose, _ state: inout State
    ) -> Result<Moment, ZoomFailure>? {
        // The cancellation handler may have run before this; the task then knows.
        if Task.isCancelled || state.isClosed { return .failure(.transport(.cancelled)) }
        let queueTimeout = purpose.queueTimeout ?? (purpose.priority == .interactive ? self.queueTimeout : nil)
        let now = time.now
        switch state.budget.enter(ticket, for: purpose, queueTimeout: queueTimeout, at: now, time.timestamp) {
        case .granted: return .success(now)
        case .refused(let refusal): return .failure(ZoomFailure(refusal))
        case .queued:
            state.waiters[ticket] = waiter
            if state.pump == nil { state.pump = Task { await pump() } }
            return nil
        }
    }

    private enum Next {
        case ends
        case sleeps(until: Moment)
        case tells(Waiter?, Result<Moment, ZoomFailure>)
    }

    private func pump() async {
        while true {
            let next = state.withLock { state -> Next in
                if Task.isCancelled { return .ends }
                let now = time.now
                switch state.budget.step(at: now, time.timestamp) {
                case .idle:
                    state.pump = nil
                    return .ends
                case .wait(let moment): return .sleeps(until: moment)
                case .grant(let ticket): return .tells(state.waiters.removeValue(forKey: ticket), .success(now))
                case .refuse(let ticket, let refusal):
                    return .tells(state.waiters.removeValue(forKey: ticket), .failure(ZoomFailure(refusal)))
                }
            }
            switch next {
            case .ends: return
            case .sleeps(let moment): try? await time.sleep(until: moment)
            case .tells(let waiter, let result): waiter?.resume(returning: result)
            }
        }
    }

    /// Tells the domain what became of a request, by what Zoom's answer says of the rate.
    func answered(_ fields: ZoomRateFields, sent: Moment) {
        let now = time.now
        state.withLock { state in
            switch fields.refusal {
            case nil, .single?: state.budget.accepted(remaining: fields.leftOfSecond, sent: sent, at: now)
            case .perSecond(let retryAfter)?: state.budget.refused(retryAfter: retryAfter, sent: sent, at: now)
            case .perDay(let retryAfter)?: state.budget.dailyQuotaExhausted(retryAfter: retryAfter, at: time.timestamp)
            }
            // Who sleeps sleeps by what was known before.
            guard let pump = state.pump else { return }
            pump.cancel()
            state.pump = Task { await self.pump() }
        }
    }

    /// Whether somebody waits.
    var isBusy: Bool { state.withLock { !$0.waiters.isEmpty } }

    var standing: RateBudget.Standing { state.withLock { $0.budget.standing(at: time.timestamp) } }

    /// Turns everybody away.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            state.pump?.cancel()
            state.pump = nil
            for ticket in state.waiters.keys { state.budget.leave(ticket) }
            defer { state.waiters.removeAll() }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: .failure(.transport(.cancelled))) }
    }
}

extension ZoomFailure {
    fileprivate init(_ refusal: RateBudget.Refusal) {
        switch refusal {
        case .busy(let wait): self = .rateLimited(wait: wait)
        case .dailyQuotaSpent(let wait): self = .dailyQuotaSpent(wait: wait)
        }
    }
}
