package import Domain
import Synchronization

/// A source that answers as the test says, and records its calls.
package final class FakeSource: BillingSource, SubAccountDirectory {
    package typealias Answer = @Sendable (AccountID, _ attempt: Int) async throws(BillingFailure) -> SourceAnswer
    package typealias AnswerToRead =
        @Sendable (AccountRead, _ attempt: Int) async throws(BillingFailure) -> SourceAnswer

    private struct State {
        var reads: [AccountRead] = []
        var calls: [AccountID] = []
        var purposes: [Purpose] = []
        var masters: [Name?] = []
        var attempts: [AccountRead: Int] = [:]
        var inFlight = 0
        var inFlightMax = 0
    }

    private let state = Mutex(State())
    private let listed: [AccountID]
    private let listingFailures: Mutex<[BillingFailure]>
    private let answer: AnswerToRead

    /// The operations with queued requests.
    private let queuedRequests = Mutex<Set<Operation>>([])

    /// - Parameters:
    ///   - listed: The accounts on the only page of the list.
    ///   - listingFailures: The failures of the first calls for that page, in order.
    ///   - answer: The answer for an account. By default, a contact named after the account.
    package convenience init(
        listed: [AccountID] = [],
        listingFailures: [BillingFailure] = [],
        answer: @escaping Answer = { account, _ async throws(BillingFailure) in .contact(.sample(account)) }
    ) {
        self.init(listed, listingFailures) { read, attempt async throws(BillingFailure) in
            try await answer(read.account, attempt)
        }
    }

    private init(_ listed: [AccountID], _ listingFailures: [BillingFailure], _ answer: @escaping AnswerToRead) {
        self.listed = listed
        self.listingFailures = Mutex(listingFailures)
        self.answer = answer
    }

    /// A source that answers each operation differently.
    package static func answering(
        listed: [AccountID] = [], _ answer: @escaping AnswerToRead
    ) -> FakeSource {
        FakeSource(listed, [], answer)
    }

    package var reads: [AccountRead] { state.withLock { $0.reads } }

    /// The accounts of `reads`.
    package var calls: [AccountID] { state.withLock { $0.calls } }

    /// The purposes of `calls`.
    package var purposes: [Purpose] { state.withLock { $0.purposes } }

    /// The master accounts of `calls` and of the calls for the list.
    package var masters: [Name?] { state.withLock { $0.masters } }

    /// The maximum number of lookups in flight.
    package var inFlightMax: Int { state.withLock { $0.inFlightMax } }

    package func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer {
        let account = read.account
        let attempt = state.withLock { state in
            state.reads.append(read)
            state.calls.append(account)
            state.purposes.append(purpose)
            state.masters.append(master)
            state.attempts[read, default: 0] += 1
            state.inFlight += 1
            state.inFlightMax = max(state.inFlightMax, state.inFlight)
            return state.attempts[read, default: 0]
        }
        defer { state.withLock { $0.inFlight -= 1 } }
        return try await answer(read, attempt)
    }

    package func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool {
        queuedRequests.withLock { $0.contains(operation) }
    }

    package func setHasQueuedRequests(_ hasQueuedRequests: Bool) {
        setQueuedRequests(of: hasQueuedRequests ? Set(Operation.allCases) : [])
    }

    package func setQueuedRequests(of operations: Set<Operation>) { queuedRequests.withLock { $0 = operations } }

    package func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage {
        state.withLock { $0.masters.append(master) }
        let failure = listingFailures.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if let failure { throw failure }
        return SubAccountPage(ids: listed, next: nil, total: Set(listed).count)
    }
}

extension BillingContact {
    /// A contact whose last name is the account id.
    package static func sample(_ account: AccountID) -> BillingContact {
        BillingContact(reading: { field in field == .lastName ? account.rawValue : "\(field)" })
    }
}

extension SubAccountPage {
    /// A page whose records contain only the id.
    package init(ids: [AccountID], next: String?, total: Int?) {
        self.init(
            accounts: ids.map { SubAccount(id: $0, record: SourceDocument(text: Array(#"{"id":"\#($0)"}"#.utf8))) },
            next: next, total: total)
    }
}

extension AccountID {
    /// For ids in tests.
    package init(literal text: String) {
        guard let id = AccountID(text) else { preconditionFailure("\(text) cannot be an account id") }
        self = id
    }
}

extension Name {
    /// For names in tests.
    package init(literal text: String) {
        guard let name = Name(text) else { preconditionFailure("\(text) cannot be a name") }
        self = name
    }
}

extension Caller {
    package static let everything = Caller(name: Name(literal: "everything"), scopes: Set(Scope.allCases))
    package static let nothing = Caller(name: Name(literal: "nothing"), scopes: [])
}

extension Purpose {
    /// A request with the default queue timeout.
    package static let interactive = Purpose.interactive(for: nil)
}

extension BillingSource {
    /// Looks up the billing contact of an account.
    @discardableResult
    package func billing(
        of account: AccountID, under master: Name? = nil, for purpose: Purpose
    ) async throws(BillingFailure) -> BillingContact {
        guard
            case .contact(let contact) = try await answer(
                to: .billingInformation(of: account), under: master, for: purpose)
        else { preconditionFailure("the source answers with something else") }
        return contact
    }
}

extension SubAccountDirectory {
    /// Lists the accounts of the only master account, in order.
    package func subAccounts() async throws(BillingFailure) -> [AccountID] {
        let lists = AccountListCache(directory: self, time: AutoAdvancingClock())
        let list = try await lists.accounts(of: nil, .all, maxAge: .zero)
        return (0..<list.count).map { list[$0] }
    }
}
