/// Builds pages from the entries of existing pages and from new answers, which are added in ascending order of key.
struct PageBuilder {
    private struct Item {
        var entry: PageEntry
        var receivedAt: Int64
        var isUsed: Bool
    }

    private var items: [Item] = []
    private var text: [UInt8] = []

    /// - Parameters:
    ///   - entries: The expected number of entries.
    ///   - bytes: The expected size of the text.
    init(entries: Int, bytes: Int) {
        items.reserveCapacity(entries)
        text.reserveCapacity(bytes)
    }

    var count: Int { items.count }

    /// Adds entries of a page unchanged.
    mutating func add(_ page: AnswerPage, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let first = page.start(of: range.lowerBound)
        let shift = text.count - first
        text.append(contentsOf: page.text[first..<Int(page.entries[range.upperBound - 1].end)])
        let used = page.used
        for index in range {
            var entry = page.entries[index]
            entry.end = UInt32(Int(entry.end) + shift)
            items.append(Item(entry: entry, receivedAt: page.receivedAt(index), isUsed: used >> index & 1 == 1))
        }
    }

    mutating func add(_ answer: NewAnswer, _ key: PageKey, firstSeen: Int64, isUsed: Bool) {
        let encoded = answer.encoded
        text.append(contentsOf: encoded.text)
        items.append(
            Item(
                entry: PageEntry(
                    tag: encoded.tag, end: UInt32(text.count), receivedAt: 0,
                    lifetime: UInt32(clamping: answer.lifetime.wholeMilliseconds),
                    firstSeenSeconds: UInt32(clamping: firstSeen / 1000),
                    firstSeenMilliseconds: UInt16(firstSeen % 1000), bodyStart: UInt16(encoded.body.lowerBound),
                    keyStart: UInt8(encoded.keyStart), keyCount: UInt8(key.bytes.count),
                    content: answer.content,
                    trailingCount: UInt8(encoded.text.count - encoded.body.upperBound)),
                receivedAt: answer.receivedAt.milliseconds, isUsed: isUsed))
    }

    mutating func setFirstSeen(_ moment: Int64, at index: Int) {
        items[index].entry.firstSeenSeconds = UInt32(clamping: moment / 1000)
        items[index].entry.firstSeenMilliseconds = UInt16(moment % 1000)
    }

    /// Adds an entry of a page without its answer.
    mutating func addRemoved(_ page: AnswerPage, _ index: Int) {
        text.append(contentsOf: page.key(of: index))
        var entry = page.entries[index]
        entry.end = UInt32(text.count)
        entry.keyStart = 0
        entry.bodyStart = UInt16(entry.keyCount)
        entry.trailingCount = 0
        entry.content = .removed
        items.append(Item(entry: entry, receivedAt: page.receivedAt(index), isUsed: false))
    }

    /// The page with all entries; `nil` without entries.
    func page(number: Int64) -> AnswerPage? { items.isEmpty ? nil : page(0..<items.count, number: number) }

    /// One page, or two if the entries do not fit the limits of a page.
    func pages(number: Int64, nextNumber: () -> Int64) -> [AnswerPage] {
        guard !items.isEmpty else { return [] }
        let isFull = items.count > AnswerPage.entriesMax || text.count > AnswerPage.textBytesMax
        guard isFull, items.count > 1 else { return [page(0..<items.count, number: number)] }
        // In the middle of the text.
        let half = text.count / 2
        let middle = items.firstIndex { Int($0.entry.end) > half } ?? items.count / 2
        let cut = min(max(middle, 1, items.count - AnswerPage.entriesMax), items.count - 1, AnswerPage.entriesMax)
        return [page(0..<cut, number: number), page(cut..<items.count, number: nextNumber())]
    }

    private func page(_ range: Range<Int>, number: Int64) -> AnswerPage {
        let start = range.lowerBound == 0 ? 0 : Int(items[range.lowerBound - 1].entry.end)
        var origin = Int64.max
        for index in range { origin = min(origin, items[index].receivedAt) }
        var entries: [PageEntry] = []
        entries.reserveCapacity(range.count)
        var used: UInt128 = 0
        for index in range {
            let item = items[index]
            var entry = item.entry
            entry.end -= UInt32(start)
            // An answer that is 49 days newer than the oldest one of its page appears older than it is.
            entry.receivedAt = UInt32(clamping: item.receivedAt - origin)
            entries.append(entry)
            if item.isUsed { used |= 1 << UInt128(index - range.lowerBound) }
        }
        let isWhole = range.count == items.count
        return AnswerPage(
            number: number, entries: entries,
            text: isWhole ? text : Array(text[start..<Int(items[range.upperBound - 1].entry.end)]), origin: origin,
            used: used)
    }
}
