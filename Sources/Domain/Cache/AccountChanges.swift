import Synchronization

/// Counts the changes of accounts, so that an answer to a read that was in flight during a change is not cached.
///
/// Accounts share a number of counters by their hash: a change of one account also keeps the answers of a few others out of
/// the cache for its duration.
final class AccountChanges: Sendable {
    /// When a read began, relative to the changes of its account.
    struct Version: Sendable, Hashable {
        /// Changes that had begun or ended before.
        fileprivate let count: Int

        /// A change was in flight.
        let isChanging: Bool
    }

    private struct Counter {
        var count = 0
        var inFlight = 0
    }

    private final class LockedCounter: Sendable {
        let counter = Mutex(Counter())
    }

    private let counters: [LockedCounter] = (0..<256).map { _ in LockedCounter() }

    private func counter(of account: AccountID) -> LockedCounter {
        counters[account.hashValue & (counters.count - 1)]
    }

    func version(of account: AccountID) -> Version {
        counter(of: account).counter.withLock { Version(count: $0.count, isChanging: $0.inFlight > 0) }
    }

    /// Whether an answer to a read that began at `version` may be cached: no change was in flight then, and none has begun
    /// since.
    func permitsCaching(_ account: AccountID, since version: Version) -> Bool {
        !version.isChanging && self.version(of: account) == version
    }

    func began(_ account: AccountID) {
        counter(of: account).counter.withLock { counter in
            counter.count += 1
            counter.inFlight += 1
        }
    }

    func ended(_ account: AccountID) {
        counter(of: account).counter.withLock { counter in
            counter.count += 1
            counter.inFlight -= 1
        }
    }
}
