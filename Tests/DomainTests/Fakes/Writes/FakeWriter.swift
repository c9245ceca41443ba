package import Domain
import Synchronization

/// Sends changes as the test says, and records them.
package final class FakeWriter: AccountWriter {
    package typealias Send = @Sendable (AccountWrite, _ attempt: Int) async -> WriteReport

    private struct State {
        var sent: [AccountWrite] = []
        var purposes: [Purpose] = []
        var checked = 0
        var reads = 0
    }

    private let state = Mutex(State())
    private let readPlans: @Sendable () async throws(BillingFailure) -> AccountPlans
    private let checkResult: Result<Void, BillingFailure>
    private let attempts: Int
    private let answer: Send

    /// - Parameters:
    ///   - plans: The plans of every account.
    ///   - check: The result of the check of a dry run.
    ///   - attempts: How often each change is sent, as if the source had refused its first attempts unprocessed.
    ///   - answer: Called for each change after `willSend`, with its number from 0.
    package init(
        plans: @escaping @Sendable () async throws(BillingFailure) -> AccountPlans = { AccountPlans(reading: .null) },
        check: Result<Void, BillingFailure> = .success(()), attempts: Int = 1,
        answer: @escaping Send = { _, _ in WriteReport(.answered(.done(nil)), trackingID: "trace-1") }
    ) {
        readPlans = plans
        checkResult = check
        self.attempts = attempts
        self.answer = answer
    }

    /// A writer that answers each change as the test says.
    package static func answering(_ answer: @escaping Send) -> FakeWriter { FakeWriter(answer: answer) }

    /// The changes for which `willSend` succeeded.
    package var sent: [AccountWrite] { state.withLock { $0.sent } }
    package var purposes: [Purpose] { state.withLock { $0.purposes } }

    /// The number of calls of `check`.
    package var checkCount: Int { state.withLock { $0.checked } }

    /// The number of reads of plans.
    package var readCount: Int { state.withLock { $0.reads } }

    package func send(
        _ write: AccountWrite, under master: Name?, for purpose: Purpose,
        willSend: @escaping @Sendable () async throws(BillingFailure) -> Void
    ) async -> WriteReport {
        do throws(BillingFailure) {
            for _ in 0..<attempts { try await willSend() }
        } catch {
            return WriteReport(.notSent(error))
        }
        let attempt = state.withLock { state in
            state.sent.append(write)
            state.purposes.append(purpose)
            return state.sent.count - 1
        }
        return await answer(write, attempt)
    }

    package func check(
        _ write: AccountWrite, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) {
        state.withLock { $0.checked += 1 }
        try checkResult.get()
    }

    package func plans(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountPlans {
        state.withLock { $0.reads += 1 }
        return try await readPlans()
    }
}
