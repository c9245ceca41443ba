/// The relation between moments and civil time.
package struct CivilClock: Sendable {
    /// Milliseconds since 1970 at the origin of moments.
    private let offset: Int64

    package init(_ time: any TimeSource) {
        offset = time.millisecondsSinceEpoch - time.now.milliseconds
    }

    /// - Parameter moment: In milliseconds of `Moment`.
    /// - Returns: Milliseconds since 1970.
    func civil(_ moment: Int64) -> Int64 { moment + offset }

    /// - Parameter civil: Milliseconds since 1970.
    package func moment(_ civil: Int64) -> Moment { Moment(milliseconds: civil - offset) }
}

/// A page that has changed, to be stored outside of the process.
package struct ChangedPage: Sendable {
    package let image: PageImage
    package let answerCount: Int

    /// When the oldest and the newest entry were received, in milliseconds since 1970.
    package let received: ClosedRange<Int64>

    init(_ page: AnswerPage, _ shelf: PageShelf.ID, _ clock: CivilClock) {
        image = PageImage(page, shelf, clock)
        answerCount = page.answerCount
        let times = page.entries.reduce((oldest: UInt32.max, newest: UInt32.min)) { times, entry in
            (min(times.oldest, entry.receivedAt), max(times.newest, entry.receivedAt))
        }
        let origin = clock.civil(page.origin)
        received = origin + Int64(times.oldest)...origin + Int64(times.newest)
    }
}

/// A page as bytes, to be stored outside of the process. Its times are civil times.
package struct PageImage: Sendable {
    package let number: Int64
    package let operation: Operation
    package let period: InvoicePeriod?
    package let master: Name?
    package let bytes: [UInt8]

    /// - Parameter bytes: As an image of this version or an earlier one had them. They are checked when the page is restored.
    package init(number: Int64, operation: Operation, period: InvoicePeriod?, master: Name?, bytes: [UInt8]) {
        self.number = number
        self.operation = operation
        self.period = period
        self.master = master
        self.bytes = bytes
    }

    var shelf: PageShelf.ID { PageShelf.ID(operation: operation, period: period, master: master) }

    // The form: version, number of entries (2 bytes), entries, text. All numbers are little-endian.
    private static let version: UInt8 = 1
    private static let headBytes = 3
    private static let entryBytes = 38

    /// The times that an entry can have, until the year 2106, in milliseconds since 1970.
    private static let times = 0..<Int64(UInt32.max) * 1000

    fileprivate init(_ page: AnswerPage, _ shelf: PageShelf.ID, _ clock: CivilClock) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headBytes + page.count * Self.entryBytes + page.text.count)
        bytes.append(Self.version)
        bytes.append(UInt16(page.count))
        for index in 0..<page.count {
            let entry = page.entries[index]
            bytes.append(entry.tag)
            bytes.append(UInt64(bitPattern: clock.civil(page.receivedAt(index))))
            bytes.append(UInt64(bitPattern: entry.firstSeen))
            bytes.append(entry.lifetime)
            bytes.append(entry.end)
            bytes.append(entry.bodyStart)
            bytes += [entry.keyStart, entry.keyCount, entry.content.rawValue, entry.trailingCount]
        }
        bytes += page.text
        self.init(
            number: page.number, operation: shelf.operation, period: shelf.period, master: shelf.master, bytes: bytes)
    }

    private var entryCount: Int? {
        guard bytes.count > Self.headBytes, bytes[0] == Self.version else { return nil }
        let count = Int(bytes[1]) | Int(bytes[2]) << 8
        guard (1...AnswerPage.entriesMax).contains(count), bytes.count >= Self.headBytes + count * Self.entryBytes
        else {
            return nil
        }
        return count
    }

    /// The page of this image; `nil` if the image has another form or is damaged.
    func page(_ clock: CivilClock) -> AnswerPage? {
        guard let count = entryCount else { return nil }
        let text = Array(bytes[(Self.headBytes + count * Self.entryBytes)...])
        var entries: [PageEntry] = []
        entries.reserveCapacity(count)
        var received: [Int64] = []
        for index in 0..<count {
            let start = Self.headBytes + index * Self.entryBytes
            let firstSeen = Int64(bitPattern: number64(at: start + 16))
            let receivedAt = Int64(bitPattern: number64(at: start + 8))
            guard let content = StoredContent(rawValue: bytes[start + 36]), Self.times.contains(firstSeen),
                Self.times.contains(receivedAt)
            else { return nil }
            received.append(clock.moment(receivedAt).milliseconds)
            let entry = PageEntry(
                tag: number64(at: start), end: number32(at: start + 28), lifetime: number32(at: start + 24),
                firstSeen: firstSeen, bodyStart: UInt16(bytes[start + 32]) | UInt16(bytes[start + 33]) << 8,
                keyStart: bytes[start + 34],
                keyCount: bytes[start + 35], content: content, trailingCount: bytes[start + 37])
            let length = Int(entry.end) - (entries.last.map { Int($0.end) } ?? 0)
            guard Int(entry.end) <= text.count, Int(entry.keyStart) + Int(entry.keyCount) <= length, entry.keyCount > 0,
                Int(entry.bodyStart) + Int(entry.trailingCount) <= length
            else { return nil }
            entries.append(entry)
        }
        guard entries.last.map({ Int($0.end) }) == text.count, let origin = received.min() else { return nil }
        for index in entries.indices { entries[index].receivedAt = UInt32(clamping: received[index] - origin) }
        let page = AnswerPage(number: number, entries: entries, text: text, origin: origin)
        for index in 1..<max(count, 1) where page.order(of: index - 1, to: page.pageKey(of: index)) != .before {
            return nil
        }
        return page
    }

    private func number64(at start: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }

    private func number32(at start: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
    }
}

extension [UInt8] {
    /// Appends a number in little-endian order.
    fileprivate mutating func append(_ number: some FixedWidthInteger) {
        var number = number
        for _ in 0..<number.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: number))
            number >>= 8
        }
    }
}
