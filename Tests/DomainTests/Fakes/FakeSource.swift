package import Domain
import Synchronization

/// A source of billing that answers as the test says, and remembers what it was asked.
package final class FakeSource: ContactSource, SubAccountDirectory {
    package typealias Answer = @Sendable (AccountID, _ attempt: Int) async throws(BillingFailure) -> AccountBilling

    private struct State {
        var calls: [AccountID] = []
        var attempts: [AccountID: Int] = [:]
        var underWay = 0
        var underWayMost = 0
    }

    private let state = Mutex(State())
    private let listed: [AccountID]
    private let listingFailures: Mutex<[BillingFailure]>
    private let answer: Answer

    /// - Parameters:
    ///   - listed: What `subAccounts` answers,
    ///   - listingFailures: after having failed like this, once each.
    ///   - answer: By default every account has a contact named after it.
    package init(
        listed: [AccountID] = [],
        listingFailures: [BillingFailure] = [],
        answer: @escaping Answer = { account, _ async throws(BillingFailure) in .masterPays(.sample(account)) }
    ) {
        self.listed = listed
        self.listingFailures = Mutex(listingFailures)
        self.answer = answer
    }

    package var calls: [AccountID] { state.withLock { $0.calls } }

    /// The most lookups there ever were at a time.
    package var underWayMost: Int { state.withLock { $0.underWayMost } }

    package func billing(of account: AccountID, for purpose: Purpose) async throws(BillingFailure) -> AccountBilling {
        let attempt = state.withLock { state in
            state.calls.append(account)
            state.attempts[account, default: 0] += 1
            state.underWay += 1
            state.underWayMost = max(state.underWayMost, state.underWay)
            return state.attempts[account, default: 0]
        }
        defer { state.withLock { $0.underWay -= 1 } }
        return try await answer(account, attempt)
    }

    package func subAccounts() async throws(BillingFailure) -> [AccountID] {
        let failure = listingFailures.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if let failure { throw failure }
        return listed
    }
}

extension BillingContact {
    /// A contact whose last name is the account's id.
    package static func sample(_ account: AccountID) -> BillingContact {
        BillingContact(reading: { field in field == .lastName ? account.rawValue : "\(field)" })
    }
}

extension AccountID {
    /// For ids written in a test.
    package init(literal text: String) {
        guard let id = AccountID(text) else { preconditionFailure("\(text) cannot be an account id") }
        self = id
    }
}

extension Caller {
    package static let everything = Caller(name: "everything", scopes: Set(Scope.allCases))
    package static let nothing = Caller(name: "nothing", scopes: [])
}
