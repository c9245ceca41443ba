import Synchronization

/// The accounts of a master account at the time of a listing.
package final class AccountListSnapshot: Sendable {
    package let list: AccountList

    /// `nil` if the records exceed the limit of the cache.
    package let records: AccountRecords?

    /// When the listing began.
    let began: Moment
    package let asOf: Timestamp

    /// How long the listing took.
    let took: Duration

    /// When this list became the current one, in milliseconds since 1970-01-01T00:00:00Z.
    package let currentSince: Int64

    /// The changes up to this list. For a list of chosen accounts, there are none.
    package let history: AccountListHistory

    /// Positions of accounts in `list` for the callers that asked last. They are the same for every page of a caller.
    private let positions = Mutex<[(allowed: AllowList, indices: [UInt32])]>([])
    private static let positionsMax = 64

    init(
        list: AccountList, records: AccountRecords?, began: Moment, asOf: Timestamp, took: Duration,
        currentSince: Int64,
        history: AccountListHistory
    ) {
        self.list = list
        self.records = records
        self.began = began
        self.asOf = asOf
        self.took = took
        self.currentSince = currentSince
        self.history = history
    }

    /// The same list without its records.
    func withoutRecords() -> AccountListSnapshot {
        AccountListSnapshot(
            list: list, records: nil, began: began, asOf: asOf, took: took, currentSince: currentSince, history: history
        )
    }

    /// The time since the listing began.
    package func age(at now: Moment) -> Duration { max(now - began, .zero) }

    /// The indices in `list` of the accounts of an allow-list, ascending, if they are known from an earlier call of
    /// `indices(of:)`.
    func knownIndices(of allowed: AllowList) -> [UInt32]? {
        positions.withLock { $0.first { $0.allowed === allowed }?.indices }
    }

    /// The indices in `list` of the accounts of an allow-list, ascending. The first call for an allow-list takes up to a
    /// microsecond for each of its accounts.
    func indices(of allowed: AllowList) -> [UInt32] {
        if let known = knownIndices(of: allowed) { return known }
        let indices = list.indices(of: allowed.accounts)
        positions.withLock { positions in
            positions.append((allowed, indices))
            if positions.count > Self.positionsMax { positions.removeFirst() }
        }
        return indices
    }
}
