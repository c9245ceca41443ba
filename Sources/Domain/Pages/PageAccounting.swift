import Synchronization

/// Counts the memory and the answers of all pages, and records which pages have changed.
final class PageAccounting: Sendable {
    /// What has to be stored elsewhere.
    struct Changes: Sendable {
        /// The current pages of those that changed, by number.
        var changed: [Int64: (shelf: PageShelf.ID, page: AnswerPage)] = [:]

        /// The numbers of pages that no longer exist.
        var removed: Set<Int64> = []
    }

    private let bytesUsed = Atomic<Int>(0)
    private let answersStored = Atomic<Int>(0)
    private let lastNumber: Atomic<Int64>

    /// `nil` if pages are not stored elsewhere.
    private let changes: Mutex<Changes?>

    /// - Parameters:
    ///   - firstNumber: Larger than every number of an earlier process.
    ///   - recordsChanges: Whether pages are stored elsewhere, so that it has to be known which ones have changed.
    init(firstNumber: Int64, recordsChanges: Bool) {
        lastNumber = Atomic(firstNumber)
        changes = Mutex(recordsChanges ? Changes() : nil)
    }

    var bytes: Int { bytesUsed.load(ordering: .relaxed) }
    var answers: Int { answersStored.load(ordering: .relaxed) }

    func nextNumber() -> Int64 { lastNumber.add(1, ordering: .relaxed).newValue }

    /// Call before pages of a shelf are replaced.
    ///
    /// - Parameter isStored: The new pages are stored elsewhere as they are.
    func replaced(_ old: [AnswerPage], with new: [AnswerPage], on shelf: PageShelf.ID, isStored: Bool) {
        var (bytes, answers) = (0, 0)
        for page in new {
            bytes += page.bytes
            answers += page.answerCount
        }
        for page in old {
            bytes -= page.bytes
            answers -= page.answerCount
        }
        bytesUsed.add(bytes, ordering: .relaxed)
        if answers != 0 { answersStored.add(answers, ordering: .relaxed) }
        guard !isStored else { return }
        changes.withLock { changes in
            guard changes != nil else { return }
            for page in old {
                changes?.changed[page.number] = nil
                changes?.removed.insert(page.number)
            }
            for page in new {
                changes?.removed.remove(page.number)
                changes?.changed[page.number] = (shelf, page)
            }
        }
    }

    /// Records that a page that is stored elsewhere is not in use.
    func dropped(_ number: Int64) {
        changes.withLock { changes in
            if changes?.changed[number] == nil { changes?.removed.insert(number) }
        }
    }

    /// Returns changes once, and forgets them.
    ///
    /// - Parameter limit: The maximum number of changed and removed pages together.
    /// - Returns: The changes, and the number of those that remain.
    func takeChanges(limit: Int) -> (taken: Changes, remaining: Int) {
        changes.withLock { changes in
            guard let all = changes else { return (Changes(), 0) }
            let count = all.changed.count + all.removed.count
            guard count > limit else {
                changes = Changes()
                return (all, 0)
            }
            var taken = Changes()
            for (number, page) in all.changed.prefix(limit) {
                taken.changed[number] = page
                changes?.changed[number] = nil
            }
            // Pages are removed last: their answers may be in one of the changed pages.
            for number in all.removed.prefix(limit - taken.changed.count) {
                taken.removed.insert(number)
                changes?.removed.remove(number)
            }
            return (taken, count - limit)
        }
    }

    /// Records pages as changed.
    func changed(_ pages: [AnswerPage], on shelf: PageShelf.ID) {
        changes.withLock { changes in
            for page in pages
            where changes?.removed.contains(page.number) == false && changes?.changed[page.number] == nil {
                changes?.changed[page.number] = (shelf, page)
            }
        }
    }
}
