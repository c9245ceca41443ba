import Synchronization

/// Calls to the source that are under way: whoever asks for what is being asked for already waits for that answer. One who
/// gives up takes it from nobody; when nobody waits any more, the call is cancelled.
final class RequestCoalescer<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, BillingFailure>
    typealias Ask = @Sendable (Purpose) async -> Outcome

    private struct InFlightRequest {
        var id: Int
        var purpose: Purpose
        var task: Task<Void, Never>?
        var waiters: [Int: CheckedContinuation<Outcome, Never>] = [:]

        /// Goes on without waiters: what is asked for is wanted all the same.
        var isWanted: Bool
    }

    private struct State {
        var flights: [Key: InFlightRequest] = [:]
        var lastID = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Asks, or waits for who has.
    ///
    /// - Throws: what `ask` ends with, and `cancelled`.
    func join(_ key: Key, _ purpose: Purpose, _ ask: @escaping Ask) async throws(BillingFailure) -> Value {
        let waiter = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // The cancellation handler may have run before this; the task then knows.
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

    /// Whether one who asks for this purpose can wait for a call that was made for that one.
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

    /// Starts a call that nobody waits for.
    ///
    /// - Returns: Whether it was started: not while one is under way, which goes on then even if those who wait for it leave.
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

    /// What is under way that others may wait for.
    func purpose(of key: Key) -> Purpose? { state.withLock { $0.flights[key]?.purpose } }

    var isEmpty: Bool { state.withLock { $0.flights.isEmpty } }

    /// Ends what is under way, and begins nothing more.
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
