import Synchronization

/// Coalesces concurrent requests for one key into one call to the source. A waiter that leaves does not affect the
/// others. When the last one leaves, the call is cancelled.
final class RequestCoalescer<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, BillingFailure>
    typealias Ask = @Sendable (Purpose) async -> Outcome

    private struct InFlightRequest {
        var id: Int
        var purpose: Purpose
        var task: Task<Void, Never>?
        var waiters: [Int: CheckedContinuation<Outcome, Never>] = [:]

        /// Background fetch: survives without waiters.
        var isWanted: Bool
    }

    private struct State {
        var flights: [Key: InFlightRequest] = [:]
        var lastID = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Waits for the request in flight for this key, or starts one.
    ///
    /// - Throws: The failure of `ask`; `cancelled`.
    func join(_ key: Key, _ purpose: Purpose, _ ask: @escaping Ask) async throws(BillingFailure) -> Value {
        let waiter = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // The cancellation handler may have run before this, when it found no waiter to resume.
                    if Task.isCancelled || state.isClosed { return true }
                    enter(continuation, waiter, key, purpose, ask, &state)
                    return false
                }
                if isOver { continuation.resume(returning: .failure(.cancelled)) }
            }
        } onCancel: {
            leave(waiter, key)
        }
        return try outcome.get()
    }

    /// Whether a request may wait for the one in flight: two interactive requests only if they have the same queue
    /// timeout.
    static func serves(_ underWay: Purpose, _ asked: Purpose) -> Bool {
        asked.priority != .interactive || underWay.priority != .interactive
            || asked.queueTimeout == underWay.queueTimeout
    }

    private func enter(
        _ continuation: CheckedContinuation<Outcome, Never>, _ waiter: Int, _ key: Key, _ purpose: Purpose,
        _ ask: @escaping Ask, _ state: inout State
    ) {
        if var flight = state.flights[key] {
            flight.waiters[waiter] = continuation
            // A request of higher priority has joined: start the call again at that priority.
            if flight.purpose.priority < purpose.priority {
                flight.task?.cancel()
                flight.purpose = purpose
                take(off: &flight, key, ask, &state)
            }
            state.flights[key] = flight
            return
        }
        var flight = InFlightRequest(id: 0, purpose: purpose, isWanted: false)
        flight.waiters[waiter] = continuation
        take(off: &flight, key, ask, &state)
        state.flights[key] = flight
    }

    private func take(off flight: inout InFlightRequest, _ key: Key, _ ask: @escaping Ask, _ state: inout State) {
        state.lastID += 1
        let id = state.lastID
        let purpose = flight.purpose
        flight.id = id
        flight.task = Task { land(id, key, await ask(purpose)) }
    }

    private func leave(_ waiter: Int, _ key: Key) {
        let (continuation, task) = state.withLock { state in
            guard let continuation = state.flights[key]?.waiters.removeValue(forKey: waiter) else {
                return (CheckedContinuation<Outcome, Never>?.none, Task<Void, Never>?.none)
            }
            guard let flight = state.flights[key], flight.waiters.isEmpty, !flight.isWanted else {
                return (continuation, nil)
            }
            state.flights[key] = nil
            return (continuation, flight.task)
        }
        task?.cancel()
        continuation?.resume(returning: .failure(.cancelled))
    }

    private func land(_ id: Int, _ key: Key, _ outcome: Outcome) {
        let waiters = state.withLock { state in
            guard let flight = state.flights[key], flight.id == id else {
                return [CheckedContinuation<Outcome, Never>]()
            }
            state.flights[key] = nil
            return Array(flight.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }

    /// Starts a request without waiters.
    ///
    /// - Returns: Whether it was started. If one is in flight, that one now survives without waiters.
    func launch(_ key: Key, _ purpose: Purpose, _ ask: @escaping Ask) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            if state.flights[key] != nil {
                state.flights[key]?.isWanted = true
                return false
            }
            var flight = InFlightRequest(id: 0, purpose: purpose, isWanted: true)
            take(off: &flight, key, ask, &state)
            state.flights[key] = flight
            return true
        }
    }

    /// The purpose of the request in flight; `nil` if there is none.
    func purpose(of key: Key) -> Purpose? { state.withLock { $0.flights[key]?.purpose } }

    var isEmpty: Bool { state.withLock { $0.flights.isEmpty } }

    /// Cancels the requests in flight and refuses new ones.
    func close() async {
        let flights = state.withLock { state in
            state.isClosed = true
            defer { state.flights.removeAll() }
            return Array(state.flights.values)
        }
        for flight in flights {
            flight.task?.cancel()
            for waiter in flight.waiters.values { waiter.resume(returning: .failure(.cancelled)) }
        }
        for flight in flights { await flight.task?.value }
    }
}
