package import Domain
import Synchronization

/// A list of sub accounts in pages, which records its requests. The accounts are listed in the order in which they are given.
package final class FakeDirectory: SubAccountDirectory {
    package typealias Prepare = @Sendable (_ call: Int) async throws(BillingFailure) -> Void

    private struct State {
        var accounts: [AccountID]
        var requests: [SubAccountPageRequest] = []
        var purposes: [Purpose] = []
        var refusesTokens = false
    }

    private let state: Mutex<State>
    private let prepare: Prepare

    /// The size of a page for a request that names none.
    package static let sizeMax = 10

    /// - Parameter prepare: Runs before each page, with the number of the call.
    package init(
        _ accounts: [AccountID], prepare: @escaping Prepare = { _ async throws(BillingFailure) in }
    ) {
        state = Mutex(State(accounts: accounts))
        self.prepare = prepare
    }

    package var accounts: [AccountID] { state.withLock { $0.accounts } }
    package var requests: [SubAccountPageRequest] { state.withLock { $0.requests } }
    package var purposes: [Purpose] { state.withLock { $0.purposes } }

    package func change(_ change: @Sendable (inout [AccountID]) -> Void) { state.withLock { change(&$0.accounts) } }

    /// Refuses all page tokens from now on, as expired.
    package func expireTokens() { state.withLock { $0.refusesTokens = true } }

    package static func record(of account: AccountID) -> SourceDocument {
        SourceDocument(
            text: Array(#"{"id":"\#(account)","seats":12345678901234567.89,"unknown":[1,{"a":null}]}"#.utf8))
    }

    package func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        let call = state.withLock { state in
            state.requests.append(request)
            state.purposes.append(purpose)
            return state.requests.count
        }
        try await prepare(call)
        let (accounts, refusesTokens) = state.withLock { ($0.accounts, $0.refusesTokens) }
        let size = request.size ?? Self.sizeMax
        let start: Int
        switch request.start {
        case .number(let number): start = (number - 1) * size
        case .token(let token):
            guard !refusesTokens, let offset = Int(token) else { throw .invalid([]) }
            start = offset
        }
        let end = min(start + size, accounts.count)
        let page = start < end ? accounts[start..<end] : []
        return SubAccountPage(
            accounts: page.map { SubAccount(id: $0, record: Self.record(of: $0)) },
            next: end < accounts.count ? "\(end)" : nil, total: accounts.count)
    }
}
