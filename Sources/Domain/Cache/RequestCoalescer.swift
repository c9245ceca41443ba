import Synchronization

/// Coalesces concurrent requests for one key into one call to the source. A waiter that leaves does not affect the
/// others. When the last one leaves, the call is cancelled.
final class RequestCoalescer<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, BillingFailure>
    typealias Call = @Sendable (Purpose) async -> Outcome

    private typealias Waiter = CheckedContinuation<Outcome, Never>

    /// The waiters of a request, by their ids. Most requests have one, which needs no dictionary.
    private struct Waiters {
        private var first: (id: Int, waiter: Waiter)?
        private var others: [Int: Waiter] = [:]

        var isEmpty: Bool { first == nil && others.isEmpty }

        mutating func add(_ waiter: Waiter, _ id: Int) {
            if isEmpty { first = (id, waiter) } else { others[id] = waiter }
        }

        mutating func remove(_ id: Int) -> Waiter? {
            guard let (firstID, waiter) = first, firstID == id else { return others.removeValue(forKey: id) }
            first = nil
            return waiter
        }

        func resume(_ outcome: Outcome) {
            first?.waiter.resume(returning: outcome)
            for waiter in others.values { waiter.resume(returning: outcome) }
        }
    }

    private struct InFlightRequest {
        var id: Int
        var purpose: Purpose
        var task: Task<Void, Never>?
        var waiters = Waiters()

        /// The call of a background fetch, or a scarce call.
        var survivesWithoutWaiters: Bool
    }

    private struct State {
        var inFlight: [Key: InFlightRequest] = [:]
        var lastID = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let lastWaiter = Atomic(0)

    /// Waits for the request in flight for this key, or starts one.
    ///
    /// - Parameters:
    ///   - isScarce: The source permits few calls for the key. A call is then never cancelled: not to be started again at a
    ///     higher priority, nor when its last waiter leaves.
    /// - Throws: The failure of `call`; `cancelled`.
    func join(
        _ key: Key, _ purpose: Purpose, isScarce: Bool = false, _ call: @escaping Call
    ) async throws(BillingFailure) -> Value {
        let waiter = lastWaiter.add(1, ordering: .relaxed).newValue
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    // The cancellation handler may have run before this, when it found no waiter to resume.
                    if Task.isCancelled || state.isClosed { return true }
                    enter(continuation, waiter, key, purpose, isScarce: isScarce, call, &state)
                    return false
                }
                if isCancelled { continuation.resume(returning: .failure(.cancelled)) }
            }
        } onCancel: {
            leave(waiter, key)
        }
        return try outcome.get()
    }

    /// Whether a request may wait for the one in flight: two interactive requests only if they have the same queue
    /// timeout.
    static func canShare(_ inFlight: Purpose, _ purpose: Purpose) -> Bool {
        purpose.priority != .interactive || inFlight.priority != .interactive
            || purpose.queueTimeout == inFlight.queueTimeout
    }

    private func enter(
        _ continuation: CheckedContinuation<Outcome, Never>, _ waiter: Int, _ key: Key, _ purpose: Purpose,
        isScarce: Bool, _ call: @escaping Call, _ state: inout State
    ) {
        if var request = state.inFlight[key] {
            request.waiters.add(continuation, waiter)
            // A request of higher priority has joined: start the call again at that priority.
            if request.purpose.priority < purpose.priority, !isScarce {
                request.task?.cancel()
                request.purpose = purpose
                start(&request, key, call, &state)
            }
            state.inFlight[key] = request
            return
        }
        var request = InFlightRequest(id: 0, purpose: purpose, survivesWithoutWaiters: isScarce)
        request.waiters.add(continuation, waiter)
        start(&request, key, call, &state)
        state.inFlight[key] = request
    }

    private func start(_ request: inout InFlightRequest, _ key: Key, _ call: @escaping Call, _ state: inout State) {
        state.lastID += 1
        let id = state.lastID
        let purpose = request.purpose
        request.id = id
        request.task = Task { complete(id, key, await call(purpose)) }
    }

    private func leave(_ waiter: Int, _ key: Key) {
        let (continuation, task) = state.withLock { state in
            guard let continuation = state.inFlight[key]?.waiters.remove(waiter) else {
                return (CheckedContinuation<Outcome, Never>?.none, Task<Void, Never>?.none)
            }
            guard let request = state.inFlight[key], request.waiters.isEmpty, !request.survivesWithoutWaiters else {
                return (continuation, nil)
            }
            state.inFlight[key] = nil
            return (continuation, request.task)
        }
        task?.cancel()
        continuation?.resume(returning: .failure(.cancelled))
    }

    private func complete(_ id: Int, _ key: Key, _ outcome: Outcome) {
        let waiters = state.withLock { state -> Waiters? in
            guard let request = state.inFlight[key], request.id == id else { return nil }
            state.inFlight[key] = nil
            return request.waiters
        }
        waiters?.resume(outcome)
    }

    /// Starts a request without waiters.
    ///
    /// - Returns: Whether it was started. If one is in flight, that one now survives without waiters.
    func startBackground(_ key: Key, _ purpose: Purpose, _ call: @escaping Call) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            if state.inFlight[key] != nil {
                state.inFlight[key]?.survivesWithoutWaiters = true
                return false
            }
            var request = InFlightRequest(id: 0, purpose: purpose, survivesWithoutWaiters: true)
            start(&request, key, call, &state)
            state.inFlight[key] = request
            return true
        }
    }

    /// The purpose of the request in flight; `nil` if there is none.
    func purpose(of key: Key) -> Purpose? { state.withLock { $0.inFlight[key]?.purpose } }

    var isEmpty: Bool { state.withLock { $0.inFlight.isEmpty } }

    /// Cancels the requests in flight and refuses new ones.
    func close() async {
        let requests = state.withLock { state in
            state.isClosed = true
            defer { state.inFlight.removeAll() }
            return Array(state.inFlight.values)
        }
        for request in requests {
            request.task?.cancel()
            request.waiters.resume(.failure(.cancelled))
        }
        for request in requests { await request.task?.value }
    }
}
