/// The changes of an account list since a moment. Moments are milliseconds since 1970-01-01T00:00:00Z.
package struct AccountListHistory: Sendable {
    /// The requested changes are not all recorded.
    package struct Incomplete: Error, Equatable {
        /// All changes from this moment on are recorded.
        package let completeSince: Int64

        package init(completeSince: Int64) {
            self.completeSince = completeSince
        }
    }

    /// The difference between a list and the list before it.
    struct Step: Sendable {
        let moment: Int64
        let difference: AccountListDifference
    }

    /// The maximum number of accounts in all steps: about 4 MB.
    package static let accountsMax = 100_000

    /// All changes from this moment on are recorded.
    package private(set) var completeSince: Int64

    /// Ascending by moment.
    private(set) var steps: [Step] = []

    /// Moments that this history says nothing about: readers may have them from a process whose lists are lost.
    private var gaps: [ClosedRange<Int64>] = []
    private var count = 0
    private let accountsMax: Int

    /// - Parameter moment: When the first list became the current one.
    package init(since moment: Int64, accountsMax: Int = Self.accountsMax) {
        completeSince = moment
        self.accountsMax = accountsMax
    }

    /// The history of a list that was stored, after a restart at `moment`.
    ///
    /// - Parameter gaps: When no process stored its lists. `nil` if the last lists of the last process are lost: a reader may
    ///   have any of them, so that the differences to them are unknown.
    package func restored(at moment: Int64, gaps: [ClosedRange<Int64>]?) -> AccountListHistory {
        guard let gaps else { return AccountListHistory(since: max(moment, completeSince), accountsMax: accountsMax) }
        var history = self
        history.gaps = gaps
        return history
    }

    /// Records a change of the list.
    ///
    /// - Parameter moment: When the new list became the current one, not before the list before it.
    package mutating func add(_ difference: AccountListDifference, at moment: Int64) {
        guard !difference.isEmpty else { return }
        steps.append(Step(moment: moment, difference: difference))
        count += difference.count
        var dropped = 0
        while count > accountsMax {
            count -= steps[dropped].difference.count
            dropped += 1
        }
        guard dropped > 0 else { return }
        completeSince = steps[dropped - 1].moment + 1
        // Steps of the same millisecond are recorded together or not at all.
        while dropped < steps.count, steps[dropped].moment < completeSince {
            count -= steps[dropped].difference.count
            dropped += 1
        }
        steps.removeFirst(dropped)
    }

    /// The moment of the first change after a moment; `nil` if there is none.
    ///
    /// - Returns: `moment` itself if not all changes since then are recorded.
    func firstChange(after moment: Int64) -> Int64? {
        guard moment >= completeSince else { return moment }
        return steps.first { $0.moment > moment }?.moment
    }

    /// The difference between a list that was the current one at a moment and the current list: an account that vanished
    /// and came back counts as new, and one that came and vanished as gone.
    ///
    /// A list that was replaced in the millisecond of the moment counts as the current one too. So the difference may
    /// include accounts of the list that replaced it.
    ///
    /// - Throws: If changes since that moment are not recorded.
    package func difference(since moment: Int64) throws(Incomplete) -> AccountListDifference {
        guard moment >= completeSince else { throw Incomplete(completeSince: completeSince) }
        if let gap = gaps.last(where: { $0.contains(moment) }) { throw Incomplete(completeSince: gap.upperBound + 1) }
        var seen = DistinctAccounts()
        var (added, removed) = (PackedAccounts(), PackedAccounts())
        // The last change of an account counts, and no step has it twice.
        for step in steps.reversed() {
            if step.moment < moment { break }
            for index in 0..<step.difference.added.count {
                let account = step.difference.added[index]
                if seen.insert(account).isNew { added.add(account) }
            }
            for index in 0..<step.difference.removed.count {
                let account = step.difference.removed[index]
                if seen.insert(account).isNew { removed.add(account) }
            }
        }
        return AccountListDifference(added: added.list(), removed: removed.list())
    }
}

/// The accounts that were added to a list and removed from it.
package struct AccountListDifference: Sendable, Equatable {
    package let added: AccountList
    package let removed: AccountList

    package static let none = AccountListDifference(added: AccountList([]), removed: AccountList([]))

    init(added: AccountList, removed: AccountList) {
        self.added = added
        self.removed = removed
    }

    /// Makes two passes over both lists, about 50 milliseconds each for a million accounts.
    package init(from old: AccountList, to new: AccountList) {
        self.init(added: new.subtracting(old), removed: old.subtracting(new))
    }

    package var count: Int { added.count + removed.count }
    package var isEmpty: Bool { count == 0 }
}
