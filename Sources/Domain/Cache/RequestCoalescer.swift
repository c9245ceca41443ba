import Synchronization

/// Coalesces concurrent requests for one key into one call to the source. A waiter that leaves does not affect the
/// others. When the last one leaves, the call is cancelled.
final class RequestCoalescer<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    typealias Outcome = Result<Value, BillingFailure>
    typealias Call = @Sendable (Purpose) async -> Outcome

    private typealias Waiter = CheckedContinuation<Outcome, Never>

    /// A request in flight, with its waiters by their ids. Used only within the lock.
    private final class InFlightRequest {
        var id = 0
        var purpose: Purpose
        var task: Task<Void, Never>?

        /// The call of a background fetch, or a scarce call.
        var survivesWithoutWaiters: Bool

        /// Most requests have one waiter, which needs no dictionary.
        private var firstWaiter: Waiter?
        private var firstID = 0
        private var others: [Int: Waiter] = [:]

        init(_ purpose: Purpose, survivesWithoutWaiters: Bool) {
            self.purpose = purpose
            self.survivesWithoutWaiters = survivesWithoutWaiters
        }

        var hasWaiters: Bool { firstWaiter != nil || !others.isEmpty }

        func add(_ waiter: Waiter, _ id: Int) {
            if hasWaiters {
                others[id] = waiter
            } else {
                (firstWaiter, firstID) = (waiter, id)
            }
        }

        func removeWaiter(_ id: Int) -> Waiter? {
            guard let waiter = firstWaiter, firstID == id else { return others.removeValue(forKey: id) }
            firstWaiter = nil
            return waiter
        }

        var waiters: (first: Waiter?, others: [Waiter]) {
            (firstWaiter, others.isEmpty ? [] : Array(others.values))
        }
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
    ///   - executor: Runs the call if this request starts it; `nil` for the default executor.
    ///   - isScarce: The source permits few calls for the key. A call is then never cancelled: not to be started again at a
    ///     higher priority, nor when its last waiter leaves.
    /// - Throws: The failure of `call`; `cancelled`.
    func join(
        _ key: Key, _ purpose: Purpose, on executor: (any TaskExecutor)? = nil, isScarce: Bool = false,
        _ call: @escaping Call
    ) async throws(BillingFailure) -> Value {
        let waiter = lastWaiter.wrappingAdd(1, ordering: .relaxed).newValue
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    // The cancellation handler may have run before this, when it found no waiter to resume.
                    if Task.isCancelled || state.isClosed { return true }
                    enter(continuation, waiter, key, purpose, executor, isScarce: isScarce, call, &state)
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
        _ continuation: Waiter, _ waiter: Int, _ key: Key, _ purpose: Purpose, _ executor: (any TaskExecutor)?,
        isScarce: Bool, _ call: @escaping Call, _ state: inout State
    ) {
        if let request = state.inFlight[key] {
            request.add(continuation, waiter)
            // A request of higher priority has joined: start the call again at that priority.
            if request.purpose.priority < purpose.priority, !isScarce {
                request.task?.cancel()
                request.purpose = purpose
                start(request, key, executor, call, &state)
            }
            return
        }
        let request = InFlightRequest(purpose, survivesWithoutWaiters: isScarce)
        request.add(continuation, waiter)
        state.inFlight[key] = request
        start(request, key, executor, call, &state)
    }

    private func start(
        _ request: InFlightRequest, _ key: Key, _ executor: (any TaskExecutor)?, _ call: @escaping Call,
        _ state: inout State
    ) {
        state.lastID += 1
        let id = state.lastID
        let purpose = request.purpose
        request.id = id
        request.task = Task(executorPreference: executor) { self.complete(id, key, await call(purpose)) }
    }

    private func leave(_ waiter: Int, _ key: Key) {
        let (continuation, task) = state.withLock { state -> (Waiter?, Task<Void, Never>?) in
            guard let request = state.inFlight[key], let continuation = request.removeWaiter(waiter) else {
                return (nil, nil)
            }
            guard !request.hasWaiters, !request.survivesWithoutWaiters else { return (continuation, nil) }
            state.inFlight[key] = nil
            return (continuation, request.task)
        }
        task?.cancel()
        continuation?.resume(returning: .failure(.cancelled))
    }

    private func complete(_ id: Int, _ key: Key, _ outcome: Outcome) {
        let waiters = state.withLock { state -> (first: Waiter?, others: [Waiter]) in
            guard let request = state.inFlight[key], request.id == id else { return (nil, []) }
            state.inFlight[key] = nil
            return request.waiters
        }
        waiters.first?.resume(returning: outcome)
        for waiter in waiters.others { waiter.resume(returning: outcome) }
    }

    /// Starts a request without waiters.
    ///
    /// - Returns: Whether it was started. If one is in flight, that one now survives without waiters.
    func startBackground(_ key: Key, _ purpose: Purpose, _ call: @escaping Call) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            if let request = state.inFlight[key] {
                request.survivesWithoutWaiters = true
                return false
            }
            let request = InFlightRequest(purpose, survivesWithoutWaiters: true)
            state.inFlight[key] = request
            start(request, key, nil, call, &state)
            return true
        }
    }

    /// The purpose of the request in flight; `nil` if there is none.
    func purpose(of key: Key) -> Purpose? { state.withLock { $0.inFlight[key]?.purpose } }

    var isEmpty: Bool { state.withLock { $0.inFlight.isEmpty } }

    /// Cancels the requests in flight and refuses new ones.
    func close() async {
        let (tasks, waiters) = state.withLock { state -> ([Task<Void, Never>], [Waiter]) in
            state.isClosed = true
            defer { state.inFlight.removeAll() }
            let requests = state.inFlight.values
            return (
                requests.compactMap(\.task),
                requests.flatMap { [$0.waiters.first].compactMap(\.self) + $0.waiters.others }
            )
        }
        for task in tasks { task.cancel() }
        for waiter in waiters { waiter.resume(returning: .failure(.cancelled)) }
        for task in tasks { await task.value }
    }
}
