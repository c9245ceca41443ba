import Domain
import Synchronization

/// Gives permits for requests of one rate limit label, as the domain's `RateBudget` decides, and reports the answers to it.
final class RateLimiter: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Moment, ZoomFailure>, Never>

    private struct State {
        var budget: RateBudget
        var waiters: [RateBudget.Ticket: Waiter] = [:]
        var lastTicket: RateBudget.Ticket = 0
        var isClosed = false

        /// Gives permits while requests wait, and sleeps until the next slot.
        var dispatcher: Task<Void, Never>?
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

    /// Waits for a permit.
    ///
    /// - Returns: When the permit was given. It identifies the request in `record`.
    /// - Throws: `rateLimited`, `dailyQuotaSpent`, `transport(.cancelled)`.
    func acquirePermit(for purpose: Purpose) async throws(ZoomFailure) -> Moment {
        let began = time.now
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let decision = state.withLock { enqueue(waiter, ticket, purpose, &$0) }
                if let decision { waiter.resume(returning: decision) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.budget.leave(ticket)
                return state.waiters.removeValue(forKey: ticket)
            }
            waiter?.resume(returning: .failure(.transport(.cancelled)))
        }
        switch result {
        case .success(let permittedAt):
            metrics.recordWait(label, purpose.priority, permittedAt - began)
            metrics.countPermit(label)
            return permittedAt
        case .failure(let failure):
            metrics.countRefusal(label, failure)
            throw failure
        }
    }

    /// Checks whether a request would get a permit within its queue timeout. Takes none.
    ///
    /// - Throws: `rateLimited`, `dailyQuotaSpent`.
    func checkPermit(for purpose: Purpose) throws(ZoomFailure) {
        // A copy, since an admission changes the state.
        var budget = state.withLock { $0.budget }
        let admission = budget.enter(
            .max, for: purpose, queueTimeout: purpose.queueTimeout ?? queueTimeout, at: time.now, time.timestamp)
        if case .refused(let refusal) = admission { throw ZoomFailure(refusal) }
    }

    /// - Returns: The decision; `nil` if the request waits in the queue.
    private func enqueue(
        _ waiter: Waiter, _ ticket: RateBudget.Ticket, _ purpose: Purpose, _ state: inout State
    ) -> Result<Moment, ZoomFailure>? {
        // The cancellation handler may have run before the waiter was stored.
        if Task.isCancelled || state.isClosed { return .failure(.transport(.cancelled)) }
        let queueTimeout = purpose.queueTimeout ?? (purpose.priority.isCallerWaiting ? self.queueTimeout : nil)
        let now = time.now
        switch state.budget.enter(ticket, for: purpose, queueTimeout: queueTimeout, at: now, time.timestamp) {
        case .granted: return .success(now)
        case .refused(let refusal): return .failure(ZoomFailure(refusal))
        case .queued:
            state.waiters[ticket] = waiter
            if state.dispatcher == nil { state.dispatcher = Task { await dispatch() } }
            return nil
        }
    }

    private enum Step {
        case end
        case sleep(until: Moment)
        case resume(Waiter?, Result<Moment, ZoomFailure>)
    }

    private func dispatch() async {
        while true {
            let step = state.withLock { state -> Step in
                if Task.isCancelled { return .end }
                let now = time.now
                switch state.budget.step(at: now, time.timestamp) {
                case .idle:
                    state.dispatcher = nil
                    return .end
                case .wait(let moment): return .sleep(until: moment)
                case .grant(let ticket): return .resume(state.waiters.removeValue(forKey: ticket), .success(now))
                case .refuse(let ticket, let refusal):
                    return .resume(state.waiters.removeValue(forKey: ticket), .failure(ZoomFailure(refusal)))
                }
            }
            switch step {
            case .end: return
            case .sleep(let moment): try? await time.sleep(until: moment)
            case .resume(let waiter, let result): waiter?.resume(returning: result)
            }
        }
    }

    /// Records what Zoom's answer says about the rate limit.
    func record(_ fields: ZoomRateFields, permittedAt sent: Moment) {
        let now = time.now
        state.withLock { state in
            switch fields.refusal {
            case nil, .single?: state.budget.accepted(remaining: fields.remainingInSecond, sent: sent, at: now)
            case .perSecond(let retryAfter)?: state.budget.refused(retryAfter: retryAfter, sent: sent, at: now)
            case .perDay(let retryAfter)?: state.budget.dailyQuotaExhausted(retryAfter: retryAfter, at: time.timestamp)
            }
            // The next slot has changed, so the dispatcher must not sleep until the old one.
            guard let dispatcher = state.dispatcher else { return }
            dispatcher.cancel()
            state.dispatcher = Task { await self.dispatch() }
        }
    }

    /// Whether requests wait for a permit.
    var hasQueuedRequests: Bool { state.withLock { !$0.waiters.isEmpty } }

    var usage: RateBudget.Usage { state.withLock { $0.budget.usage(at: time.timestamp) } }

    /// Closes the limiter: refuses queued requests and all later ones.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            state.dispatcher?.cancel()
            state.dispatcher = nil
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
