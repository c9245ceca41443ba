import Synchronization

/// Permits one change of an account at a time in this process. Waiting changes take turns in their order.
final class AccountLocks: Sendable {
    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Result<Void, BillingFailure>, Never>

        /// Ends the wait at its deadline.
        let timeout: Task<Void, Never>

        func end(_ result: Result<Void, BillingFailure>) {
            timeout.cancel()
            continuation.resume(returning: result)
        }
    }

    private struct State {
        /// The waiters of each account that is being changed.
        var waiters: [AccountID: [Waiter]] = [:]
        var lastNumber = 0
    }

    private let state = Mutex(State())
    private let time: any TimeSource

    init(time: any TimeSource) {
        self.time = time
    }

    /// Waits until no other change of the account runs. Call `release` afterwards.
    ///
    /// - Throws: `accountBusy` at `deadline`; `cancelled`.
    func acquire(_ account: AccountID, until deadline: Moment) async throws(BillingFailure) {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let result = state.withLock { enter(account, number, deadline, continuation, &$0) }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            end(number, account, .cancelled)
        }
        try result.get()
    }

    /// - Returns: `nil` if the change waits.
    private func enter(
        _ account: AccountID, _ number: Int, _ deadline: Moment,
        _ continuation: CheckedContinuation<Result<Void, BillingFailure>, Never>, _ state: inout State
    ) -> Result<Void, BillingFailure>? {
        // The cancellation handler may have run before this, when it found no waiter.
        if Task.isCancelled { return .failure(.cancelled) }
        guard state.waiters[account] != nil else {
            state.waiters[account] = []
            return .success(())
        }
        // Started with the lock, so that it finds the waiter however early the deadline is.
        let timeout = Task { [time] in
            guard (try? await time.sleep(until: deadline)) != nil else { return }
            end(number, account, .write(.accountBusy))
        }
        state.waiters[account]?.append(Waiter(number: number, continuation: continuation, timeout: timeout))
        return nil
    }

    /// Ends the wait of a change that has not begun.
    private func end(_ number: Int, _ account: AccountID, _ failure: BillingFailure) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiters[account]?.firstIndex(where: { $0.number == number }) else { return nil }
            return state.waiters[account]?.remove(at: index)
        }
        waiter?.end(.failure(failure))
    }

    func release(_ account: AccountID) {
        let next = state.withLock { state -> Waiter? in
            guard let waiters = state.waiters[account], !waiters.isEmpty else {
                state.waiters[account] = nil
                return nil
            }
            return state.waiters[account]?.removeFirst()
        }
        next?.end(.success(()))
    }
}
