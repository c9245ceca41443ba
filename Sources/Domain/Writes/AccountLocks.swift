import Synchronization

/// Permits one change of an account at a time in this process. Waiting changes take turns in their order.
final class AccountLocks: Sendable {
    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Result<Void, BillingFailure>, Never>
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
        let number = state.withLock { state -> Int? in
            guard state.waiters[account] != nil else {
                state.waiters[account] = []
                return nil
            }
            state.lastNumber += 1
            return state.lastNumber
        }
        guard let number else { return }
        let timeout = Task { [time] in
            guard (try? await time.sleep(until: deadline)) != nil else { return }
            end(number, account, .write(.accountBusy))
        }
        defer { timeout.cancel() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let result = state.withLock { state -> Result<Void, BillingFailure>? in
                    if Task.isCancelled { return .failure(.cancelled) }
                    // The other change may have ended since.
                    guard state.waiters[account] != nil else {
                        state.waiters[account] = []
                        return .success(())
                    }
                    state.waiters[account]?.append(Waiter(number: number, continuation: continuation))
                    return nil
                }
                if let result { continuation.resume(returning: result) }
            }
        } onCancel: {
            end(number, account, .cancelled)
        }
        try result.get()
    }

    /// Ends the wait of a change that has not begun.
    private func end(_ number: Int, _ account: AccountID, _ failure: BillingFailure) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiters[account]?.firstIndex(where: { $0.number == number }) else { return nil }
            return state.waiters[account]?.remove(at: index)
        }
        waiter?.continuation.resume(returning: .failure(failure))
    }

    func release(_ account: AccountID) {
        let next = state.withLock { state -> Waiter? in
            guard let waiters = state.waiters[account], !waiters.isEmpty else {
                state.waiters[account] = nil
                return nil
            }
            return state.waiters[account]?.removeFirst()
        }
        next?.continuation.resume(returning: .success(()))
    }
}
