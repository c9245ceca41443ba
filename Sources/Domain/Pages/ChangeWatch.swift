import Synchronization

/// Watches which accounts change while a stream reads them in ascending order. A change of an account that the stream has read
/// already is not in the stream. So the stream is complete up to the first of these changes.
package final class ChangeWatch: Sendable {
    private struct Lookup: Hashable {
        let operation: Operation
        let account: AccountID
    }

    private struct State {
        /// Accounts up to this one have been read, or are being looked up.
        var position: AccountID?

        /// The lookups of the stream, and when the content last changed meanwhile.
        var lookups: [Lookup: Int64?] = [:]
        var firstMissed: Int64?
    }

    /// The master account of the stream.
    let master: Name?

    private let operations: Set<Operation>
    private let state = Mutex(State())

    package init(operations: Set<Operation>, master: Name?) {
        self.operations = operations
        self.master = master
    }

    /// Call before accounts are read from the cache or looked up.
    package func willRead(upTo account: AccountID) {
        state.withLock { $0.position = account }
    }

    package func lookupBegan(_ operation: Operation, of account: AccountID) {
        state.withLock { $0.lookups[Lookup(operation: operation, account: account)] = .some(nil) }
    }

    /// - Parameter firstSeen: When the content that the stream has of the account was first received, in milliseconds since
    ///   1970; `nil` if the stream has none.
    package func lookupEnded(_ operation: Operation, of account: AccountID, firstSeen: Int64?) {
        state.withLock { state in
            let lookup = Lookup(operation: operation, account: account)
            guard let changed = state.lookups.removeValue(forKey: lookup) ?? nil, changed > firstSeen ?? .min else {
                return
            }
            state.firstMissed = min(state.firstMissed ?? changed, changed)
        }
    }

    /// Records that the stream lacks a content that was first received at `moment`.
    package func missed(_ moment: Int64) {
        state.withLock { $0.firstMissed = min($0.firstMissed ?? moment, moment) }
    }

    /// Records that the content of an account has changed, in milliseconds since 1970.
    package func changed(_ operation: Operation, of account: AccountID, at moment: Int64) {
        guard operations.contains(operation) else { return }
        state.withLock { state in
            guard let position = state.position, account <= position else { return }
            let lookup = Lookup(operation: operation, account: account)
            if state.lookups[lookup] != nil {
                state.lookups[lookup] = .some(moment)
            } else {
                state.firstMissed = min(state.firstMissed ?? moment, moment)
            }
        }
    }

    /// When the first change occurred that is not in the stream, in milliseconds since 1970; `nil` if there was none.
    package var firstMissed: Int64? { state.withLock { $0.firstMissed } }
}

/// The writes under way. A write takes its moment before other tasks can see what it has written.
final class WritesUnderWay: Sendable {
    /// How many writes have each moment, in milliseconds since 1970.
    private let counts = Mutex<[Int64: Int]>([:])

    /// - Parameter write: Receives the moment.
    func write<Result>(_ time: any TimeSource, _ write: (Int64) -> Result) -> Result {
        let moment = counts.withLock { counts in
            let moment = time.millisecondsSinceEpoch
            counts[moment, default: 0] += 1
            return moment
        }
        defer {
            counts.withLock { counts in
                counts[moment, default: 1] -= 1
                if counts[moment] == 0 { counts[moment] = nil }
            }
        }
        return write(moment)
    }

    /// All writes with an earlier moment have ended, and those to come have this moment or a later one.
    func firstMoment(_ time: any TimeSource) -> Int64 {
        counts.withLock { counts in counts.keys.reduce(time.millisecondsSinceEpoch, min) }
    }
}

/// Selects the answers whose content has changed since a moment.
package struct ChangeFilter: Sendable {
    /// In milliseconds since 1970.
    package let since: Int64

    /// Accounts that were added to the list since then. Their answers are selected whenever they were first received.
    package let added: AccountList

    package init(since: Int64, added: AccountList) {
        self.since = since
        self.added = added
    }

    package func selects(_ account: AccountID, firstSeen: Int64) -> Bool {
        firstSeen >= since || added.contains(account)
    }
}
