package import Domain

/// Cached answers whose pages are stored in the answers file. All calls are made on one thread, which may block.
///
/// An answer may be on two pages of the file: on one that was not restored yet, and on one that was written since. So
/// `restore` keeps the newer answer of an account.
package protocol PersistentPages: Sendable {
    /// The pages that changed or were removed since they were last taken, the earliest change first. They then count as
    /// unchanged.
    ///
    /// - Parameter limit: The largest number of changed and removed pages together, above zero.
    func takeChanges(limit: Int) -> PageChanges

    /// Counts the pages as changed or removed again, because they could not be written.
    func returnChanges(_ changes: PageChanges)

    /// The pages that were used since the last call, with the time in seconds since 1970. May contain pages that were
    /// never written, or were removed.
    func takeUses() -> [Int64: Int64]

    /// From now on, accounts that are changed are noted, so that `restore` does not add older answers for them.
    func beginRestoring()

    /// No page is restored any more.
    func endRestoring()

    /// Adds the answers of a stored page that `rules` allow. Answers that are newer in memory stay.
    ///
    /// The page counts as unchanged if it is the same in memory as in the file. If its answers were added to other pages,
    /// those count as changed, and the stored page counts as removed.
    func restore(_ page: StoredPage, rules: RestoreRules) -> RestoredPage

    /// Removes the answers that were received before a time. Their pages count as changed or removed.
    ///
    /// - Parameter time: In milliseconds since 1970.
    func purge(receivedBefore time: Int64)

    /// Counts all pages as changed, because a new file was begun.
    func changeAll()
}

/// Documents that are stored in the answers file. All calls are made on one thread, which may block.
package protocol PersistentDocuments: Sendable {
    /// The documents that changed since they were last taken. They then count as unchanged.
    func takeChangedDocuments() -> [StoredDocument]

    /// Counts documents as changed again, because they could not be written.
    func returnDocuments(_ documents: [StoredDocument])

    /// - Parameter gaps: When no process stored what it had, in milliseconds since 1970. `nil` if the last process did not
    ///   store all that it had.
    /// - Returns: Whether the document could be read. Otherwise it is removed from the file.
    func restore(_ document: StoredDocument, gaps: [ClosedRange<Int64>]?) -> Bool

    /// Counts all documents as changed, because a new file was begun.
    func changeAllDocuments()
}

/// What to write to the answers file.
package struct PageChanges: Sendable, Equatable {
    package var changed: [StoredPage]

    /// The numbers of pages that no longer exist. Pages that were never written may be among them.
    package var removed: [Int64]

    /// How many changed and removed pages were left out.
    package var remaining: Int

    package init(changed: [StoredPage], removed: [Int64], remaining: Int) {
        self.changed = changed
        self.removed = removed
        self.remaining = remaining
    }
}

/// What became of a stored page.
package enum RestoredPage: Sendable, Equatable {
    /// Its answers are in memory, unless the rules exclude them or memory has a newer answer.
    case taken
    /// The memory limit is reached, so no further page is restored.
    case full
    /// The content has an unknown format. The page is removed from the file.
    case unreadable
}

/// Which stored answers may be served again.
package struct RestoreRules: Sendable {
    /// The times between which an answer must have been received, in milliseconds since 1970. Earlier answers exceed the
    /// retention time. Later ones are from a clock that was set back.
    package let received: ClosedRange<Int64>

    /// The accounts that were changed lately, with the time until which answers may show the account before the change.
    /// In milliseconds since 1970.
    private let changedAt: [AccountID: Int64]

    package init(received: ClosedRange<Int64>, changedAt: [AccountID: Int64]) {
        self.received = received
        self.changedAt = changedAt
    }

    /// Whether an answer for an account may be served.
    ///
    /// - Parameter time: When it was received, in milliseconds since 1970.
    package func allow(_ account: AccountID, receivedAt time: Int64) -> Bool {
        guard received.contains(time) else { return false }
        guard !changedAt.isEmpty, let change = changedAt[account] else { return true }
        return time > change
    }
}
