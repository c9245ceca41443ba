import Synchronization

/// Counts the memory and the answers of all pages, and records which pages have changed.
final class PageAccounting: Sendable {
    /// What has to be stored elsewhere.
    struct Changes: Sendable {
        /// The current pages of those that changed, by number.
        var changed: [Int64: (shelf: PageShelf.ID, page: AnswerPage)] = [:]

        /// The numbers of pages that no longer exist.
        var removed: Set<Int64> = []

        /// The numbers of changed pages, the earliest change first. Some may have been removed since.
        private var order = RingQueue<Int64>()

        mutating func change(_ page: AnswerPage, _ shelf: PageShelf.ID) {
            removed.remove(page.number)
            if changed.updateValue((shelf, page), forKey: page.number) == nil { order.append(page.number) }
        }

        mutating func remove(_ number: Int64) {
            changed[number] = nil
            removed.insert(number)
        }

        /// Removes and returns the earliest changes.
        mutating func take(limit: Int) -> Changes {
            var taken = Changes()
            while taken.changed.count < limit, let number = order.popFirst() {
                if let page = changed.removeValue(forKey: number) { taken.changed[number] = page }
            }
            // Pages are removed last: their answers may be in one of the changed pages.
            for number in removed.prefix(limit - taken.changed.count) {
                taken.removed.insert(number)
                removed.remove(number)
            }
            return taken
        }
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
            for page in old where !new.contains(where: { $0.number == page.number }) { changes?.remove(page.number) }
            for page in new { changes?.change(page, shelf) }
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
            let taken = changes?.take(limit: limit) ?? Changes()
            return (taken, changes.map { $0.changed.count + $0.removed.count } ?? 0)
        }
    }

    /// Records pages as changed.
    func changed(_ pages: [AnswerPage], on shelf: PageShelf.ID) {
        changes.withLock { changes in
            for page in pages
            where changes?.removed.contains(page.number) == false && changes?.changed[page.number] == nil {
                changes?.change(page, shelf)
            }
        }
    }
}
