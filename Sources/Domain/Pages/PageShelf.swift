import Synchronization

/// The stored answers to one operation under one master account: pages in ascending order of key.
///
/// Readers hold the lock of the directory while they look for a page. Writers wait for one another, build the new pages
/// without that lock, and hold it while they replace the old ones.
final class PageShelf: Sendable {
    /// What all answers of a shelf have in common.
    struct ID: Sendable, Hashable {
        let operation: Operation
        let period: InvoicePeriod?
        let master: Name?

        init(_ read: AccountRead, _ master: Name?) {
            operation = read.operation
            period = if case .period(let period)? = read.parameter { period } else { nil }
            self.master = master
        }

        init(operation: Operation, period: InvoicePeriod?, master: Name?) {
            self.operation = operation
            self.period = period
            self.master = master
        }
    }

    /// The pages and the prefixes of their first keys. A page has the keys from its first one up to the next page.
    private struct Directory {
        var prefixes: [UInt128] = []
        var pages: [AnswerPage] = []

        /// The index of the last page that starts at or before a key; 0 if all start after it.
        func index(of key: PageKey) -> Int {
            var (low, high) = (0, pages.count)
            while low < high {
                let middle = (low + high) / 2
                let isAfter: Bool
                if prefixes[middle] != key.prefix {
                    isAfter = prefixes[middle] > key.prefix
                } else {
                    let page = pages[middle]
                    isAfter = page.order(of: 0, to: key) == .after
                }
                if isAfter { high = middle } else { low = middle + 1 }
            }
            return max(low - 1, 0)
        }

        /// The page that has a key, if one has it, and its index; `nil` without pages.
        func place(of key: PageKey) -> (index: Int, page: AnswerPage?) {
            let index = index(of: key)
            return (index, pages.isEmpty ? nil : pages[index])
        }

        mutating func replace(_ range: Range<Int>, with new: [AnswerPage]) {
            if range.count == 1, new.count == 1 {
                prefixes[range.lowerBound] = new[0].firstPrefix
                pages[range.lowerBound] = new[0]
            } else {
                prefixes.replaceSubrange(range, with: new.map(\.firstPrefix))
                pages.replaceSubrange(range, with: new)
            }
        }
    }

    let id: ID
    private let pages: PageAccounting
    private let directory = Mutex(Directory())

    /// Held by a writer. Whether the shelf was removed: nothing is added to it any more.
    private let isRemoved = Mutex(false)

    init(_ id: ID, pages: PageAccounting) {
        self.id = id
        self.pages = pages
    }

    // MARK: Reading

    /// The page that has a key, if the shelf has the key; `nil` without pages.
    func page(for key: PageKey) -> AnswerPage? {
        directory.withLock { $0.place(of: key).page }
    }

    /// All pages at this moment, in order.
    var allPages: [AnswerPage] { directory.withLock { $0.pages } }

    var pageCount: Int { directory.withLock { $0.pages.count } }
    var isEmpty: Bool { pageCount == 0 }

    /// Whether the prefixes are those of the pages. False only if this program has a fault.
    var isDirectoryConsistent: Bool {
        directory.withLock { $0.prefixes == $0.pages.map(\.firstPrefix) }
    }

    // MARK: Writing

    enum Put {
        /// - Parameter firstSeen: When the content was first received.
        case stored(firstSeen: Int64)
        /// Not permitted, or there is a newer answer.
        case refused
        case shelfRemoved
    }

    /// Stores an answer in place of an older one.
    ///
    /// - Parameters:
    ///   - now: The milliseconds since 1970.
    ///   - isPermitted: Whether the answer may be stored. Called when no other writer can change the shelf.
    func put(_ answer: NewAnswer, at key: PageKey, now: Int64, isPermitted: () -> Bool) -> Put {
        isRemoved.withLock { isRemoved in
            if isRemoved { return .shelfRemoved }
            guard isPermitted() else { return .refused }
            let (index, page) = directory.withLock { $0.place(of: key) }
            guard let page else {
                var builder = PageBuilder(entries: 1, bytes: answer.encoded.text.count)
                builder.add(answer, key, firstSeen: now, isUsed: false)
                replace(0..<0, [], with: builder.pages(number: pages.nextNumber(), nextNumber: pages.nextNumber))
                return .stored(firstSeen: now)
            }
            let (place, isFound) = page.search(key)
            var firstSeen = now
            if isFound {
                let old = page.entries[place]
                guard old.content == .removed || page.receivedAt(place) <= answer.receivedAt.milliseconds else {
                    return .refused
                }
                firstSeen = old.firstSeen(of: answer, now: now)
            } else if place == page.count,
                page.count >= AnswerPage.entriesMax
                    || page.text.count + answer.encoded.text.count > AnswerPage.textBytesMax
            {
                // Answers often arrive in order: full pages stay full.
                var builder = PageBuilder(entries: 1, bytes: answer.encoded.text.count)
                builder.add(answer, key, firstSeen: now, isUsed: false)
                let new = builder.pages(number: pages.nextNumber(), nextNumber: pages.nextNumber)
                replace(index + 1..<index + 1, [], with: new)
                return .stored(firstSeen: now)
            }
            let rest = place + (isFound ? 1 : 0)
            var builder = PageBuilder(
                entries: page.count + 1,
                bytes: page.text.count + answer.encoded.text.count - (isFound ? page.range(of: place).count : 0))
            // A page cannot tell the age of older answers.
            let earliest = answer.receivedAt.milliseconds - AnswerPage.agesMax
            builder.add(page, 0..<place, receivedFrom: earliest)
            builder.add(answer, key, firstSeen: firstSeen, isUsed: isFound && page.used >> place & 1 == 1)
            builder.add(page, rest..<page.count, receivedFrom: earliest)
            replace(
                index..<index + 1, [page], with: builder.pages(number: page.number, nextNumber: pages.nextNumber))
            return .stored(firstSeen: firstSeen)
        }
    }

    /// Stores answers in ascending order of key, in place of older ones.
    ///
    /// - Returns: The answers that were stored, and when the content of each was first received; `nil` if the shelf was
    ///   removed.
    func put(
        _ answers: [(read: AccountRead, answer: NewAnswer)], now: Int64, isPermitted: (AccountRead) -> Bool
    ) -> [(AccountRead, Int64)]? {
        isRemoved.withLock { isRemoved in
            if isRemoved { return nil }
            var stored: [(AccountRead, Int64)] = []
            var builder = PageBuilder(entries: AnswerPage.entriesMax, bytes: 0)
            var bytes = 0
            for (read, answer) in answers where isPermitted(read) {
                let key = PageKey(read)
                var firstSeen = now
                if let page = directory.withLock({ $0.place(of: key).page }) {
                    let (place, isFound) = page.search(key)
                    if isFound {
                        let old = page.entries[place]
                        guard
                            old.content == .removed || page.receivedAt(place) <= answer.receivedAt.milliseconds
                        else { continue }
                        firstSeen = old.firstSeen(of: answer, now: now)
                    }
                }
                bytes += answer.encoded.text.count
                if builder.count == AnswerPage.entriesMax || bytes > AnswerPage.textBytesMax && builder.count > 0 {
                    if let page = builder.page(number: pages.nextNumber()) { merge(page, isStored: false) }
                    builder = PageBuilder(entries: AnswerPage.entriesMax, bytes: bytes)
                    bytes = answer.encoded.text.count
                }
                builder.add(answer, key, firstSeen: firstSeen, isUsed: false)
                stored.append((read, firstSeen))
            }
            if let page = builder.page(number: pages.nextNumber()) { merge(page, isStored: false) }
            return stored
        }
    }

    /// When the content of an answer was first received: `now` or a later moment if it is new. Stores nothing.
    func firstSeen(_ answer: NewAnswer, at key: PageKey, now: Int64) -> Int64 {
        guard let page = page(for: key) else { return now }
        let (place, isFound) = page.search(key)
        return isFound ? page.entries[place].firstSeen(of: answer, now: now) : now
    }

    /// Lets the content of an answer, or of one that was removed, count as first received at a moment, or when it was first
    /// received if that was later.
    ///
    /// - Returns: When it was first received now; `nil` if there is no such answer.
    func setFirstSeen(_ moment: Int64, at key: PageKey) -> Int64? {
        isRemoved.withLock { _ in
            let (index, page) = directory.withLock { $0.place(of: key) }
            guard let page else { return nil }
            let (place, isFound) = page.search(key)
            guard isFound else { return nil }
            let moment = max(moment, page.entries[place].firstSeen)
            var builder = PageBuilder(entries: page.count, bytes: page.text.count)
            builder.add(page, 0..<page.count)
            builder.setFirstSeen(moment, at: place)
            replace(index..<index + 1, [page], with: builder.pages(number: page.number, nextNumber: pages.nextNumber))
            return moment
        }
    }

    /// Records that an answer was compared with those of other replicas.
    ///
    /// - Parameter isPermitted: Whether the answer is still the one that was compared. Called when no other writer can change
    ///   the shelf.
    func setEpoch(_ epoch: AnswerEpoch, at key: PageKey, isPermitted: () -> Bool) {
        isRemoved.withLock { _ in
            let (index, page) = directory.withLock { $0.place(of: key) }
            guard let page, isPermitted() else { return }
            let (place, isFound) = page.search(key)
            guard isFound, page.entries[place].epoch != epoch else { return }
            var builder = PageBuilder(entries: page.count, bytes: page.text.count)
            builder.add(page, 0..<page.count)
            builder.setEpoch(epoch, at: place)
            replace(index..<index + 1, [page], with: builder.pages(number: page.number, nextNumber: pages.nextNumber))
        }
    }

    /// Removes an answer. When its content was first seen stays known.
    func remove(_ key: PageKey) {
        isRemoved.withLock { _ in
            let (index, page) = directory.withLock { $0.place(of: key) }
            guard let page else { return }
            let (place, isFound) = page.search(key)
            guard isFound, page.entries[place].content != .removed else { return }
            var builder = PageBuilder(
                entries: page.count, bytes: page.text.count - page.range(of: place).count + key.bytes.count)
            builder.add(page, 0..<place)
            builder.addRemoved(page, place)
            builder.add(page, place + 1..<page.count)
            replace(index..<index + 1, [page], with: builder.pages(number: page.number, nextNumber: pages.nextNumber))
        }
    }

    /// Removes the unused answers of the first page after a key, and clears the marks of the others.
    ///
    /// - Parameter key: `nil` for the first page of the shelf.
    /// - Returns: The last key of that page, and the number of answers removed; `nil` if there is no such page.
    func sweep(after key: PageKey?) -> (last: PageKey, evicted: Int)? {
        withPage(after: key) { page, index in
            let used = page.used
            page.clearMarks()
            return keep(in: page, at: index) { entry in
                used >> entry & 1 == 1 && page.entries[entry].content != .removed
            }
        }
    }

    /// Removes the answers that were received before a moment, in milliseconds of `Moment`.
    ///
    /// - Returns: The number of answers removed.
    func removeAll(receivedBefore moment: Int64) -> Int {
        var removed = 0
        var key: PageKey?
        // Other writers can go ahead between two pages.
        while let (last, count) = withPage(
            after: key,
            { page, index in
                guard page.origin < moment else { return 0 }
                return keep(in: page, at: index) { page.receivedAt($0) >= moment }
            })
        {
            key = last
            removed += count
        }
        return removed
    }

    /// Calls `body` with the first page after a key and its index, while no other writer can change the shelf.
    ///
    /// - Returns: The last key of that page, and the result; `nil` if there is no such page.
    private func withPage<Result>(
        after key: PageKey?, _ body: (AnswerPage, Int) -> Result
    ) -> (PageKey, Result)? {
        isRemoved.withLock { _ in
            let found = directory.withLock { directory -> (AnswerPage, Int)? in
                guard let key else { return directory.pages.first.map { ($0, 0) } }
                guard !directory.pages.isEmpty else { return nil }
                var index = directory.index(of: key)
                if directory.pages[index].order(of: 0, to: key) != .after { index += 1 }
                return index < directory.pages.count ? (directory.pages[index], index) : nil
            }
            guard let (page, index) = found else { return nil }
            return (page.pageKey(of: page.count - 1), body(page, index))
        }
    }

    /// Replaces a page by one with only some of its entries, or removes it.
    ///
    /// - Returns: The number of answers removed.
    private func keep(in page: AnswerPage, at index: Int, _ isKept: (Int) -> Bool) -> Int {
        var ranges: [Range<Int>] = []
        for entry in 0..<page.count where isKept(entry) {
            if let last = ranges.last, last.upperBound == entry {
                ranges[ranges.count - 1] = last.lowerBound..<entry + 1
            } else {
                ranges.append(entry..<entry + 1)
            }
        }
        let count = ranges.reduce(0) { $0 + $1.count }
        guard count < page.count else { return 0 }
        var builder = PageBuilder(
            entries: count,
            bytes: ranges.reduce(0) { $0 + Int(page.entries[$1.upperBound - 1].end) - page.start(of: $1.lowerBound) })
        for range in ranges { builder.add(page, range) }
        let new = builder.page(number: page.number)
        replace(index..<index + 1, [page], with: new.map { [$0] } ?? [])
        return page.answerCount - (new?.answerCount ?? 0)
    }

    /// Removes all pages, and the shelf from use.
    ///
    /// - Parameter onlyIfEmpty: Does nothing if there is a page.
    /// - Returns: Whether the shelf is removed.
    func removeAll(onlyIfEmpty: Bool) -> Bool {
        isRemoved.withLock { isRemoved in
            let old = directory.withLock { $0.pages }
            guard old.isEmpty || !onlyIfEmpty else { return false }
            replace(0..<old.count, old, with: [])
            isRemoved = true
            return true
        }
    }

    /// Adds a page that was stored elsewhere. Where there are answers already, the newer ones stay.
    ///
    /// - Parameter isPermitted: Whether an answer may be added, by its key and when it was received in milliseconds of
    ///   `Moment`.
    /// - Returns: Whether the shelf is in use.
    func add(_ stored: AnswerPage, isPermitted: (ArraySlice<UInt8>, Int64) -> Bool) -> Bool {
        isRemoved.withLock { isRemoved in
            if isRemoved { return false }
            var builder = PageBuilder(entries: stored.count, bytes: stored.text.count)
            for index in 0..<stored.count where isPermitted(stored.key(of: index), stored.receivedAt(index)) {
                builder.add(stored, index..<index + 1)
            }
            let isWhole = builder.count == stored.count
            guard let page = isWhole ? stored : builder.page(number: stored.number) else {
                self.pages.dropped(stored.number)
                return true
            }
            merge(page, isStored: isWhole, keepsNewer: true)
            return true
        }
    }

    /// Adds a page to the shelf, which no other writer can change meanwhile.
    ///
    /// - Parameters:
    ///   - isStored: Whether the page is already stored, unchanged, outside of the process.
    ///   - keepsNewer: Where there is a newer answer already, it stays.
    private func merge(_ page: AnswerPage, isStored: Bool, keepsNewer: Bool = false) {
        let (first, last) = (page.pageKey(of: 0), page.pageKey(of: page.count - 1))
        let (start, pages) = directory.withLock { ($0.index(of: first), $0.pages) }
        // The pages that overlap with the new one.
        var range = start..<start
        for place in start..<pages.count {
            let other = pages[place]
            if other.order(of: other.count - 1, to: first) == .before {
                range = place + 1..<place + 1
            } else if other.order(of: 0, to: last) == .after {
                break
            } else {
                range = range.lowerBound..<place + 1
            }
        }
        let old = Array(pages[range])
        // The answers are on other pages now.
        if !old.isEmpty { self.pages.dropped(page.number) }
        replace(range, old, with: merged(page, old, keepsNewer: keepsNewer), isStored: old.isEmpty && isStored)
    }

    /// The entries of a page and of others, in order of key. Of two with the same key, the newer one or that of the page.
    private func merged(_ page: AnswerPage, _ others: [AnswerPage], keepsNewer: Bool) -> [AnswerPage] {
        guard !others.isEmpty else { return [page] }
        var result: [AnswerPage] = []
        var next = 0
        for (position, other) in others.enumerated() {
            var builder = PageBuilder(entries: other.count + page.count, bytes: other.text.count + page.text.count)
            for index in 0..<other.count {
                let key = other.pageKey(of: index)
                while next < page.count {
                    let order = page.order(of: next, to: key)
                    if order == .after { break }
                    if order == .before {
                        builder.add(page, next..<next + 1)
                    } else if !keepsNewer || page.receivedAt(next) > other.receivedAt(index)
                        || page.receivedAt(next) == other.receivedAt(index) && page.entries[next].content == .removed
                    {
                        break
                    }
                    next += 1
                }
                if next < page.count,
                    page.order(of: next, to: key) == .same
                {
                    builder.add(page, next..<next + 1)
                    next += 1
                } else {
                    builder.add(other, index..<index + 1)
                }
            }
            if position == others.count - 1 { builder.add(page, next..<page.count) }
            result += builder.pages(number: other.number, nextNumber: pages.nextNumber)
        }
        return result
    }

    /// - Parameter isStored: The new pages are stored elsewhere as they are.
    private func replace(
        _ range: Range<Int>, _ old: [AnswerPage], with new: [AnswerPage], isStored: Bool = false
    ) {
        pages.replaced(old, with: new, on: id, isStored: isStored)
        let released = directory.withLock { directory -> [AnswerPage] in
            directory.replace(range, with: new)
            return old
        }
        // Freed without the lock.
        _ = consume released
    }
}
