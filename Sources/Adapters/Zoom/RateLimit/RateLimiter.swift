import Domain
import Instrumentation
import Synchronization

/// Gives permits for requests of one rate limit label, as the domain's `RateBudget` decides, and reports the answers to it. If
/// replicas share the rate limit, it asks their ledger for slots.
final class RateLimiter: Sendable {
    private typealias Waiter = CheckedContinuation<Result<Moment, ZoomFailure>, Never>

    private struct State {
        var budget: RateBudget
        var waiters: [RateBudget.Ticket: Waiter] = [:]
        var lastTicket: RateBudget.Ticket = 0
        var isClosed = false

        /// Gives permits while requests wait, and sleeps until the next slot.
        var dispatcher: Task<Void, Never>?

        /// Waits for the reply of the shared ledger.
        var exchange: Task<Void, Never>?
    }

    private let state: Mutex<State>
    private let time: any TimeSource
    private let queueTimeout: Duration
    private let label: ZoomRateLabel
    private let metrics: ZoomMetrics
    private let rules: RateBudget.Rules
    private let sharing: SharedLedger?

    /// The ledger of the rate limit that replicas share.
    struct SharedLedger: Sendable {
        let rates: any SharedRates
        let limit: SharedLimit

        /// The number of replicas that is assumed until it is known.
        let replicas: Int
    }

    /// - Parameters:
    ///   - queueTimeout: The longest time in the queue for an interactive request that names none.
    ///   - sharing: `nil` if the rate limit belongs to this process.
    init(
        _ label: ZoomRateLabel, rules: RateBudget.Rules, queueTimeout: Duration, sharing: SharedLedger? = nil,
        time: any TimeSource, metrics: ZoomMetrics
    ) {
        self.label = label
        self.metrics = metrics
        self.sharing = sharing
        self.rules = rules
        let budget = sharing.map { RateBudget(sharing: rules, replicas: $0.rates.replicas ?? $0.replicas) }
        state = Mutex(State(budget: budget ?? RateBudget(rules: rules)))
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
            if state.dispatcher == nil { startDispatcher(&state) }
            askLedger(&state)
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
                let step = state.budget.step(at: now, time.timestamp)
                askLedger(&state)
                switch step {
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
            if state.dispatcher != nil { startDispatcher(&state) }
            // Other replicas must know of a refusal at once.
            askLedger(&state)
        }
    }

    /// Starts the dispatcher, instead of one that sleeps.
    private func startDispatcher(_ state: inout State) {
        state.dispatcher?.cancel()
        state.dispatcher = Task { await self.dispatch() }
    }

    // MARK: The shared ledger

    /// Sends a request to the shared ledger if one is due.
    private func askLedger(_ state: inout State) {
        guard let sharing, !state.isClosed, let request = state.budget.takeRequest(at: time.now) else { return }
        // The request belongs to no trace of a call.
        state.exchange = InstrumentationContext.$current.withValue(nil) {
            Task { await exchange(request, with: sharing) }
        }
    }

    private func exchange(_ request: SlotRequest, with sharing: SharedLedger) async {
        let reply: SlotReply?
        do throws(BillingFailure) {
            reply = try await sharing.rates.take(
                request, of: sharing.limit, rules.ofLedger, within: SlotHolder.replyTime)
        } catch {
            reply = nil
        }
        state.withLock { state in
            if let reply {
                state.budget.received(reply, replicas: sharing.rates.replicas, at: time.now, time.timestamp)
            } else {
                state.budget.failed(at: time.now)
            }
            guard !state.isClosed else { return }
            startDispatcher(&state)
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
            state.exchange?.cancel()
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
