package import Domain
import Synchronization

/// An event that occurs once and can be awaited.
package final class Signal: Sendable {
    private let state = Mutex<(isFired: Bool, waits: [PendingWait<Void>])>((false, []))

    package init() {}

    package func fire() {
        let waits = state.withLock { state in
            state.isFired = true
            defer { state.waits = [] }
            return state.waits
        }
        for wait in waits { wait.resume(returning: ()) }
    }

    /// Returns once the event has occurred.
    package func wait(file: String = #fileID, line: Int = #line) async throws(CancellationError) {
        try await DomainFakes.wait(for: "a signal", file: file, line: line) { (pending: PendingWait<Void>) in
            let isFired = state.withLock { state in
                if !state.isFired { state.waits.append(pending) }
                return state.isFired
            }
            if isFired { pending.resume(returning: ()) }
        }
    }

    /// As `wait`, for the answer of a fake source.
    ///
    /// - Throws: `cancelled` when the task is cancelled.
    package func waitInSource(file: String = #fileID, line: Int = #line) async throws(BillingFailure) {
        do throws(CancellationError) {
            try await wait(file: file, line: line)
        } catch {
            throw .cancelled
        }
    }
}
