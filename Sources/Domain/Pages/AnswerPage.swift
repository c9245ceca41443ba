import Synchronization

/// The stored answers to one operation for consecutive accounts: their lines as one text, and an entry for each.
///
/// A page never changes, except for the marks of use. So a reader uses a page as long as it likes, while writers replace it.
package final class AnswerPage: Sendable {
    /// Limits of a page. An answer that is longer than the limit has a page of its own.
    static let entriesMax = 128
    static let textBytesMax = 65_536

    /// The longest time between the receipt of two answers of a page that an entry can tell, in milliseconds: 49 days.
    static let agesMax = Int64(UInt32.max)

    /// Identifies the page among all pages of the service. The page that replaces this one may have the same number.
    package let number: Int64

    let entries: [PageEntry]

    /// The lines of the answers. For an account whose answer was removed, only its key.
    let text: [UInt8]

    /// When the oldest answer was received, or before that, in milliseconds of `Moment`.
    let origin: Int64

    /// The first key, and its prefix.
    let firstPrefix: UInt128

    /// The number of entries with an answer.
    let answerCount: Int

    /// A bit for each entry: the answer was looked up since the last sweep.
    private let usedLow: Atomic<UInt64>
    private let usedHigh: Atomic<UInt64>

    /// Whether an answer was looked up since `takeUse`.
    private let isUsed = Atomic(false)

    init(number: Int64, entries: [PageEntry], text: [UInt8], origin: Int64, used: UInt128 = 0) {
        precondition(!entries.isEmpty && entries.count <= Self.entriesMax, "a page has 1 to 128 entries")
        self.number = number
        self.entries = entries
        self.text = text
        self.origin = origin
        answerCount = entries.reduce(0) { $0 + ($1.content == .removed ? 0 : 1) }
        let first = entries[0]
        let span = text.span
        firstPrefix = PageKey.prefix(
            of: span.extracting(Int(first.keyStart)..<Int(first.keyStart) + Int(first.keyCount)))
        usedLow = Atomic(UInt64(truncatingIfNeeded: used))
        usedHigh = Atomic(UInt64(truncatingIfNeeded: used >> 64))
    }

    var count: Int { entries.count }

    /// The memory that the page uses.
    var bytes: Int { Self.overhead + entries.count * MemoryLayout<PageEntry>.stride + text.count }

    /// The page object, the headers of its arrays and its place on the shelf.
    private static let overhead = 240

    // MARK: Entries

    func start(of index: Int) -> Int { index == 0 ? 0 : Int(entries[index - 1].end) }

    /// The place of an answer in `text`.
    func range(of index: Int) -> Range<Int> { start(of: index)..<Int(entries[index].end) }

    func keyRange(of index: Int) -> Range<Int> {
        let start = start(of: index) + Int(entries[index].keyStart)
        return start..<start + Int(entries[index].keyCount)
    }

    func key(of index: Int) -> ArraySlice<UInt8> { text[keyRange(of: index)] }

    func pageKey(of index: Int) -> PageKey { PageKey(Array(key(of: index))) }

    /// The order of the key at an index and another key.
    func order(of index: Int, to key: PageKey) -> KeyOrder {
        let text = text
        return KeyOrder.of(text.span.extracting(keyRange(of: index)), key.bytes.span)
    }

    func receivedAt(_ index: Int) -> Int64 { origin + Int64(entries[index].receivedAt) }

    func bodyRange(of index: Int) -> Range<Int> {
        let entry = entries[index]
        let start = start(of: index) + Int(entry.bodyStart)
        return start..<max(start, Int(entry.end) - Int(entry.trailingCount))
    }

    /// The index of a key, or the index of the first entry after it.
    func search(_ key: PageKey) -> (index: Int, isFound: Bool) {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            switch order(of: middle, to: key) {
            case .before: low = middle + 1
            case .same: return (middle, true)
            case .after: high = middle
            }
        }
        return (low, false)
    }

    /// The stored answer at an index, as the answer to `read`; `nil` if it was removed.
    func answer(at index: Int, to read: AccountRead) -> StoredAnswer? {
        let entry = entries[index]
        guard entry.content != .removed else { return nil }
        return StoredAnswer(
            text: text[range(of: index)], body: text[bodyRange(of: index)], tag: entry.tag,
            failure: entry.content.failure(of: read), firstSeen: entry.firstSeen,
            lifetime: .milliseconds(entry.lifetime), receivedAt: Moment(milliseconds: receivedAt(index)),
            epoch: entry.epoch)
    }

    // MARK: Use

    /// Marks an answer as used.
    ///
    /// - Returns: Whether it was marked before.
    @discardableResult
    func use(_ index: Int) -> Bool {
        isUsed.store(true, ordering: .relaxed)
        let bit = UInt64(1) << UInt64(index & 63)
        let marks = index < 64 ? usedLow.load(ordering: .relaxed) : usedHigh.load(ordering: .relaxed)
        if marks & bit != 0 { return true }
        if index < 64 {
            usedLow.bitwiseOr(bit, ordering: .relaxed)
        } else {
            usedHigh.bitwiseOr(bit, ordering: .relaxed)
        }
        return false
    }

    /// A bit for each entry that was used since the last sweep.
    var used: UInt128 {
        UInt128(usedHigh.load(ordering: .relaxed)) << 64 | UInt128(usedLow.load(ordering: .relaxed))
    }

    /// Whether an answer was looked up since the last call.
    func takeUse() -> Bool {
        isUsed.load(ordering: .relaxed) && isUsed.exchange(false, ordering: .relaxed)
    }

    func clearMarks() {
        usedLow.store(0, ordering: .relaxed)
        usedHigh.store(0, ordering: .relaxed)
    }
}

extension Moment {
    /// Whole milliseconds since the origin; negative before it.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = sinceOrigin.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    init(milliseconds: Int64) {
        self.init(sinceOrigin: .milliseconds(milliseconds))
    }
}
