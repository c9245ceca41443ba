import Domain
import DomainFakes
import Synchronization

/// A source whose requests wait until the test grants them a permit, in the order of a fair queue.
final class PermitSource: BillingSource, SubAccountDirectory {
    struct Request: Sendable, Equatable {
        let account: AccountID
        let priority: Purpose.Priority
    }

    typealias Answer = @Sendable (AccountID, Purpose.Priority) throws(BillingFailure) -> SourceAnswer

    private struct Waiting {
        let request: Request
        let permit: PendingWait<Void>
    }

    private struct State {
        var queue = FairQueue(bulkEvery: 20)
        var lastTicket: FairQueue.Ticket = 0
        var waiting: [FairQueue.Ticket: Waiting] = [:]
        var granted: [Request] = []
        var cancelled: [Request] = []
        var watchers: [(condition: @Sendable (State) -> Bool, signal: Signal)] = []
    }

    private let state = Mutex(State())
    private let accounts: [AccountID]
    private let answer: Answer

    /// - Parameters:
    ///   - accounts: The accounts of the list.
    ///   - answer: Called when a request has its permit.
    init(_ accounts: [AccountID], answer: @escaping Answer = { _, _ in PermitSource.contact("new") }) {
        self.accounts = accounts
        self.answer = answer
    }

    static func contact(_ text: String) -> SourceAnswer { .document(SourceDocument(text: Array(text.utf8))) }

    /// The requests that were granted a permit, in their order.
    var granted: [Request] { state.withLock { $0.granted } }

    /// The requests that were cancelled before they had a permit.
    var cancelled: [Request] { state.withLock { $0.cancelled } }

    /// The requests that wait for a permit.
    var waiting: [Request] { state.withLock { $0.waiting.sorted { $0.key < $1.key }.map(\.value.request) } }

    /// Grants a permit to the next request.
    ///
    /// - Returns: `nil` if no request waits.
    @discardableResult
    func grant() -> Request? {
        let next = update { state -> Waiting? in
            guard let ticket = state.queue.next(), let next = state.waiting.removeValue(forKey: ticket) else {
                return nil
            }
            state.granted.append(next.request)
            return next
        }
        next?.permit.resume(returning: ())
        return next?.request
    }

    /// Returns when a number of requests of a priority wait for a permit.
    func waits(_ count: Int, of priority: Purpose.Priority) async throws {
        try await holds { state in state.waiting.values.count { $0.request.priority == priority } >= count }
    }

    /// Returns when a number of requests were cancelled.
    func cancels(_ count: Int) async throws {
        try await holds { $0.cancelled.count >= count }
    }

    private func holds(_ condition: @escaping @Sendable (State) -> Bool) async throws {
        let signal = Signal()
        update { $0.watchers.append((condition, signal)) }
        try await signal.wait()
    }

    /// Changes the state, and fires the signals whose condition is met then.
    @discardableResult
    private func update<Result>(_ change: (inout State) -> Result) -> Result {
        let (result, signals) = state.withLock { state -> (Result, [Signal]) in
            let result = change(&state)
            let met = state.watchers.filter { $0.condition(state) }.map(\.signal)
            if !met.isEmpty { state.watchers.removeAll { watcher in met.contains { $0 === watcher.signal } } }
            return (result, met)
        }
        for signal in signals { signal.fire() }
        return result
    }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        let request = Request(account: read.account, priority: purpose.priority)
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        do throws(CancellationError) {
            try await wait(for: "a permit") { (permit: PendingWait<Void>) in
                update { state in
                    state.waiting[ticket] = Waiting(request: request, permit: permit)
                    state.queue.enter(ticket, for: purpose)
                }
            }
        } catch {
            update { state in
                state.waiting[ticket] = nil
                state.queue.leave(ticket)
                state.cancelled.append(request)
            }
            throw .cancelled
        }
        return try answer(read.account, purpose.priority)
    }

    func hasQueuedRequests(for operation: Domain.Operation, under master: Name?) -> Bool { false }

    func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        SubAccountPage(ids: accounts, next: nil, total: accounts.count)
    }
}
