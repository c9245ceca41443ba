/// Builds pages from the entries of existing pages and from new answers, which are added in ascending order of key.
struct PageBuilder {
    /// With `receivedAt` zero, and ends that count from the start of `text`.
    private var entries: [PageEntry] = []

    /// When each answer was received, in milliseconds of `Moment`.
    private var received: [Int64] = []
    private var isUsed: [Bool] = []
    private var text: [UInt8] = []

    /// - Parameters:
    ///   - entries: The expected number of entries.
    ///   - bytes: The expected size of the text.
    init(entries: Int, bytes: Int) {
        self.entries.reserveCapacity(entries)
        received.reserveCapacity(entries)
        isUsed.reserveCapacity(entries)
        text.reserveCapacity(bytes)
    }

    var count: Int { entries.count }

    /// Adds entries of a page unchanged.
    ///
    /// - Parameter earliest: Entries that were received before are left out; in milliseconds of `Moment`.
    mutating func add(_ page: AnswerPage, _ range: Range<Int>, receivedFrom earliest: Int64 = .min) {
        guard page.origin >= earliest else {
            for index in range where page.receivedAt(index) >= earliest { add(page, index..<index + 1) }
            return
        }
        guard !range.isEmpty else { return }
        let (origin, used, old) = (page.origin, page.used, page.entries)
        let first = page.start(of: range.lowerBound)
        let shift = text.count - first
        text.append(contentsOf: page.text[first..<Int(old[range.upperBound - 1].end)])
        for index in range {
            var entry = old[index]
            entry.end = UInt32(Int(entry.end) + shift)
            received.append(origin + Int64(entry.receivedAt))
            entry.receivedAt = 0
            entries.append(entry)
            isUsed.append(used >> index & 1 == 1)
        }
    }

    mutating func add(_ answer: NewAnswer, _ key: PageKey, firstSeen: Int64, isUsed: Bool) {
        let encoded = answer.encoded
        text.append(contentsOf: encoded.text)
        entries.append(
            PageEntry(
                tag: answer.tag, end: UInt32(text.count), lifetime: UInt32(clamping: answer.lifetime.wholeMilliseconds),
                firstSeen: firstSeen, bodyStart: UInt16(encoded.body.lowerBound),
                keyStart: UInt8(encoded.keyStart), keyCount: UInt8(key.bytes.count),
                content: answer.content,
                trailingCount: UInt8(encoded.text.count - encoded.body.upperBound), epoch: answer.epoch))
        received.append(answer.receivedAt.milliseconds)
        self.isUsed.append(isUsed)
    }

    mutating func setFirstSeen(_ moment: Int64, at index: Int) {
        entries[index].firstSeen = moment
    }

    mutating func setEpoch(_ epoch: AnswerEpoch, at index: Int) { entries[index].epoch = epoch }

    /// Adds an entry of a page without its answer.
    mutating func addRemoved(_ page: AnswerPage, _ index: Int) {
        text.append(contentsOf: page.key(of: index))
        var entry = page.entries[index]
        entry.end = UInt32(text.count)
        entry.receivedAt = 0
        entry.keyStart = 0
        entry.bodyStart = UInt16(entry.keyCount)
        entry.trailingCount = 0
        entry.content = .removed
        entries.append(entry)
        received.append(page.receivedAt(index))
        isUsed.append(false)
    }

    /// The page with all entries, which fit the limits of a page; `nil` without entries.
    consuming func page(number: Int64) -> AnswerPage? {
        guard !entries.isEmpty else { return nil }
        return wholePage(number: number)
    }

    /// As many pages as the entries need by the limits of a page. The first one has `number`.
    consuming func pages(number: Int64, nextNumber: () -> Int64) -> [AnswerPage] {
        guard !entries.isEmpty else { return [] }
        guard !fits(0..<count) else { return [wholePage(number: number)] }
        var pages: [AnswerPage] = []
        addPages(0..<count, to: &pages, number: number, nextNumber)
        return pages
    }

    private func start(of index: Int) -> Int { index == 0 ? 0 : Int(entries[index - 1].end) }

    private func fits(_ range: Range<Int>) -> Bool {
        range.count == 1
            || range.count <= AnswerPage.entriesMax
                && Int(entries[range.upperBound - 1].end) - start(of: range.lowerBound) <= AnswerPage.textBytesMax
    }

    /// Halves the text of a range until each part fits a page.
    private func addPages(
        _ range: Range<Int>, to pages: inout [AnswerPage], number: Int64, _ nextNumber: () -> Int64
    ) {
        guard !fits(range) else {
            let (first, end) = (start(of: range.lowerBound), Int(entries[range.upperBound - 1].end))
            var part = PageBuilder(entries: range.count, bytes: end - first)
            part.text.append(contentsOf: text[first..<end])
            part.received.append(contentsOf: received[range])
            part.isUsed.append(contentsOf: isUsed[range])
            for index in range {
                var entry = entries[index]
                entry.end -= UInt32(first)
                part.entries.append(entry)
            }
            pages.append(part.wholePage(number: number))
            return
        }
        let middle = (start(of: range.lowerBound) + Int(entries[range.upperBound - 1].end)) / 2
        let cut = range.first { Int(entries[$0].end) > middle } ?? range.upperBound
        let half = min(max(cut, range.lowerBound + 1), range.upperBound - 1)
        addPages(range.lowerBound..<half, to: &pages, number: number, nextNumber)
        addPages(half..<range.upperBound, to: &pages, number: nextNumber(), nextNumber)
    }

    private consuming func wholePage(number: Int64) -> AnswerPage {
        var (oldest, oldestAnswer, newest, used) = (Int64.max, Int64.max, Int64.min, UInt128(0))
        for index in entries.indices {
            oldest = min(oldest, received[index])
            newest = max(newest, received[index])
            if entries[index].content != .removed { oldestAnswer = min(oldestAnswer, received[index]) }
            if isUsed[index] { used |= 1 << UInt128(index) }
        }
        // No answer appears newer than it is. An answer that is 49 days newer than the oldest one appears older.
        let origin = min(oldestAnswer, max(oldest, newest - AnswerPage.agesMax))
        for index in entries.indices { entries[index].receivedAt = UInt32(clamping: received[index] - origin) }
        return AnswerPage(number: number, entries: entries, text: text, origin: origin, used: used)
    }
}
