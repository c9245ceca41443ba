import Synchronization

/// A listing under way, which several requests share. Some wait for the complete list, and others read the accounts as
/// the pages arrive.
final class SharedListing: Sendable {
    typealias Outcome = Result<AccountListSnapshot, BillingFailure>

    private struct Waiter {
        /// The waiter is resumed when there are more portions than this, or when the listing has ended.
        let portions: Int
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        /// The accounts that were new on each page.
        var portions: [PackedAccounts] = []
        var outcome: Outcome?
        var waiters: [Int: Waiter] = [:]
        var lastWaiter = 0
    }

    private let state = Mutex(State())

    /// Adds the accounts that were new on a page.
    func add(_ accounts: PackedAccounts) {
        guard accounts.count > 0 else { return }
        let waiters = state.withLock { state in
            state.portions.append(accounts)
            let woken = state.waiters.filter { $0.value.portions < state.portions.count }
            for id in woken.keys { state.waiters[id] = nil }
            return woken.values.map(\.continuation)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Ends the listing. A second call has no effect.
    func end(with outcome: Outcome) {
        let waiters = state.withLock { state in
            if state.outcome == nil { state.outcome = outcome }
            defer { state.waiters = [:] }
            return state.waiters.values.map(\.continuation)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// `nil` while the listing runs.
    var outcome: Outcome? { state.withLock { $0.outcome } }

    /// A portion of the accounts, from 0; `nil` if it has not arrived. There is no further portion once there is an outcome.
    func portion(_ index: Int) -> (accounts: PackedAccounts?, outcome: Outcome?) {
        state.withLock { state in
            (index < state.portions.count ? state.portions[index] : nil, state.outcome)
        }
    }

    /// Returns when there are more than this number of portions, when the listing has ended, or when the task is cancelled.
    func wait(forMoreThan portions: Int) async {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isWaiting = state.withLock { state in
                    // The cancellation handler may have run before this, when it found no waiter to resume.
                    guard !Task.isCancelled, state.outcome == nil, state.portions.count <= portions else {
                        return false
                    }
                    state.waiters[id] = Waiter(portions: portions, continuation: continuation)
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume()
        }
    }

    /// The complete list, or the failure of the listing.
    ///
    /// - Throws: Also `cancelled` when the task is cancelled.
    func snapshot() async throws(BillingFailure) -> AccountListSnapshot {
        await wait(forMoreThan: .max)
        guard let outcome else { throw .cancelled }
        return try outcome.get()
    }
}

/// The accounts of a listing under way, in the order in which they arrive. Each account is given once. The feed ends when
/// the list is complete, and fails if the listing fails.
final class ArrivingAccounts: AccountFeed {
    private struct Position {
        /// The current portion.
        var accounts = PackedAccounts()
        var index = 0

        /// The number of portions up to the current one.
        var portions = 0
        var given = 0
    }

    private let listing: SharedListing
    private let limit: Int
    private let leave: @Sendable () -> Void
    private let position = Mutex(Position())

    /// - Parameters:
    ///   - limit: The maximum number of accounts; `nil` for all.
    ///   - leave: Called once, when the feed is released.
    init(_ listing: SharedListing, limit: Int?, leave: @escaping @Sendable () -> Void) {
        self.listing = listing
        self.limit = limit ?? .max
        self.leave = leave
    }

    deinit {
        leave()
    }

    /// `nil` until the list is complete.
    var count: Int? { total.map { min($0, limit) } }

    var remaining: Int { total.map { max($0 - limit, 0) } ?? 0 }

    private var total: Int? {
        guard case .success(let snapshot)? = listing.outcome else { return nil }
        return snapshot.list.count
    }

    var awaited: ExportBilling.Wait { .accountList }

    func next() -> AccountFeedItem {
        position.withLock { position in
            // The number of accounts beyond the limit is only known at the end of the listing.
            if position.given == limit { return Self.end(listing.outcome) }
            if position.index == position.accounts.count {
                let (accounts, outcome) = listing.portion(position.portions)
                guard let accounts else { return Self.end(outcome) }
                position.accounts = accounts
                position.index = 0
                position.portions += 1
            }
            position.index += 1
            position.given += 1
            return .account(position.accounts[position.index - 1])
        }
    }

    private static func end(_ outcome: SharedListing.Outcome?) -> AccountFeedItem {
        switch outcome {
        case nil: .pending
        case .success: .end
        case .failure(let failure): .failed(failure)
        }
    }

    func waitForMore() async {
        let (given, portions) = position.withLock { ($0.given, $0.portions) }
        await listing.wait(forMoreThan: given == limit ? .max : portions)
    }
}
