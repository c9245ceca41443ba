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

/// What the pages contain, counted anew.
package struct PageInspection: Sendable {
    package fileprivate(set) var pages = 0
    package fileprivate(set) var answers = 0

    /// The size of the pages as `AnswerPages.bytes` counts it.
    package fileprivate(set) var bytes = 0

    /// Reserved memory of texts and entries that no answer uses.
    package fileprivate(set) var unusedBytes = 0

    /// What is wrong with the pages. Empty unless this program has a fault.
    package fileprivate(set) var problems: [String] = []
}

extension AnswerPages {
    /// Checks and counts all pages, for tests.
    ///
    /// - Precondition: No other task stores or removes answers meanwhile.
    package func inspect() -> PageInspection {
        var inspection = PageInspection()
        var numbers: Set<Int64> = []
        for shelf in allShelves {
            if !shelf.isDirectoryConsistent { inspection.problems.append("a page and its prefix differ") }
            var previous: PageKey?
            for page in shelf.allPages {
                if !numbers.insert(page.number).inserted { inspection.problems.append("two pages have one number") }
                inspection.add(page, after: &previous)
            }
        }
        if inspection.bytes != bytes { inspection.problems.append("\(inspection.bytes) B, counted as \(bytes) B") }
        if inspection.answers != count {
            inspection.problems.append("\(inspection.answers) answers, counted as \(count)")
        }
        return inspection
    }
}

extension PageInspection {
    /// - Parameter previous: The last key before the page; afterwards its last one.
    fileprivate mutating func add(_ page: AnswerPage, after previous: inout PageKey?) {
        pages += 1
        bytes += page.bytes
        unusedBytes += page.text.capacity - page.text.count
        unusedBytes += (page.entries.capacity - page.entries.count) * MemoryLayout<PageEntry>.stride
        if page.count > AnswerPage.entriesMax { problems.append("a page has \(page.count) entries") }
        if page.text.count > AnswerPage.textBytesMax, page.count > 1 {
            problems.append("a page has \(page.count) entries and \(page.text.count) B")
        }
        if Int(page.entries[page.count - 1].end) != page.text.count {
            problems.append("a text does not end with its last entry")
        }
        var found = 0
        for index in 0..<page.count {
            let key = page.pageKey(of: index)
            if let previous, KeyOrder.of(previous.bytes.span, key.bytes.span) != .before {
                problems.append("keys are not in ascending order")
            }
            previous = key
            if page.entries[index].content == .removed {
                if page.range(of: index) != page.keyRange(of: index) {
                    problems.append("a removed answer has more than its key")
                }
            } else {
                found += 1
            }
            let range = page.range(of: index)
            if !range.contains(page.keyRange(of: index)) || !range.contains(page.bodyRange(of: index)) {
                problems.append("a key or body is not a part of its answer")
            }
        }
        answers += found
        if found != page.answerCount {
            problems.append("a page counts \(page.answerCount) answers instead of \(found)")
        }
    }
}
