import Adapters
import Domain
import NIOCore

/// Reads the lines of a stream in bulk, and checks them.
///
/// A line of an account in the form that the service writes is recognized by its head, and is not parsed. Every other line
/// is parsed as JSON.
struct ExportLines {
    enum Problem: Error, Equatable {
        /// The `end` line is missing, or a line is malformed. The accounts before that are valid.
        case incomplete
        /// The accounts are not in the order of the request, or the `end` line states another number of lines than the
        /// stream had: any account may be missing.
        case inconsistent
        /// The stream ended with an `error` line. A retry fails for `retryAfter` seconds, if the line has that.
        case broken(code: Int, message: String, retryAfter: Int?)
    }

    /// The expected accounts.
    enum Order {
        /// Ascending ids, all of them after this one.
        case ascending(after: [UInt8])
        /// These accounts, in this order.
        case chosen(ArraySlice<AccountID>)
    }

    /// An account id: a range of the lines that are read, or a copy.
    private enum ID {
        case range(Range<Int>)
        case bytes([UInt8])
    }

    /// Requested types, in their order.
    private let types: [RecordType]
    private var order: Order

    /// Whether the stream has only what has changed since a moment. Such a stream has one type.
    private let isOfChanges: Bool

    /// The moment of the `begin` line.
    private var moment: String?
    private var replica: String?

    /// Received bytes, from the first line of an account of which lines are missing.
    private var text = ByteBuffer()

    /// The longest account with its lines. The invoices of an account have no limit of their own.
    private static let accountBytesMax = 64 << 20

    /// The accounts that the batches had.
    private var accounts = 0

    /// The number of accounts of the stream and after it, as the `begin` line states.
    private(set) var announced: Int?

    /// Whether there was a `begin` line.
    private(set) var hasBegun = false

    /// What the service waits for, in the words of the last line if that is a `heartbeat`.
    private(set) var waiting: String?

    /// The number of accounts after the last one; nil before the `end` line.
    private var behind: Int?

    /// The first problem. The lines before it are in the batches.
    private(set) var problem: Problem?

    /// - Parameter types: The requested types, in their order.
    init(types: [RecordType], order: Order, isOfChanges: Bool = false) {
        self.types = types
        self.isOfChanges = isOfChanges
        self.order = order
    }

    /// Bytes that no batch has had.
    var unreadBytes: Int { text.readableBytes }

    /// About the accounts that no batch has had. 0 if more lines arrive at once than a person can follow.
    var unreadAccounts: Int {
        guard hasBegun, unreadBytes < Self.countedBytesMax else { return 0 }
        var count = 0
        var start = text.readerIndex
        while let end = text.firstIndex(of: UInt8(ascii: "\n"), from: start) {
            if end > start, !text.begins(with: Self.heartbeat, at: start) { count += 1 }
            start = end + 1
        }
        return count / types.count
    }

    /// Whether the last unread line says what the service waits for. Nothing may arrive after it for a while.
    var endsWithHeartbeat: Bool {
        let lineFeed = UInt8(ascii: "\n")
        guard text.readableBytesView.last == lineFeed,
            let lines = text.getSlice(at: text.readerIndex, length: text.readableBytes - 1)
        else { return false }
        let start = lines.lastIndex(of: lineFeed).map { $0 + 1 - lines.readerIndex } ?? 0
        return text.begins(with: Self.heartbeat, at: text.readerIndex + start)
    }

    private static let countedBytesMax = 16 << 10
    private static let heartbeat: StaticString = "{\"type\":\"heartbeat\""

    mutating func append(_ bytes: ByteBuffer) throws(HTTPFailure) {
        guard text.readableBytes + bytes.readableBytes <= Self.accountBytesMax else { throw .tooLarge }
        text.writeImmutableBuffer(bytes)
    }

    /// Handles the end of the body, after the last batch.
    ///
    /// - Returns: The number of accounts after the last one.
    /// - Throws: The first problem of the stream.
    func finish() throws(Problem) -> Int {
        if let problem { throw problem }
        guard let behind, text.readableBytes == 0 else { throw .incomplete }
        return behind
    }

    /// The unread lines of complete accounts.
    ///
    /// - Parameter isLast: Whether the body has ended, so that its last line may lack a line feed.
    mutating func batch(isLast: Bool = false) -> ExportBatch {
        if isLast, let last = text.readableBytesView.last, last != UInt8(ascii: "\n") {
            text.writeInteger(UInt8(ascii: "\n"))
        }
        guard problem == nil, let lineFeed = text.lastIndex(of: UInt8(ascii: "\n")),
            let lines = text.getSlice(at: text.readerIndex, length: lineFeed + 1 - text.readerIndex)
        else {
            var batch = ExportBatch()
            (batch.moment, batch.replica) = (moment, replica)
            batch.isLast = isLast
            return batch
        }
        var reading = Reading(lines)
        reading.waiting = waiting
        while problem == nil, let end = lines.firstIndex(of: UInt8(ascii: "\n"), from: reading.next) {
            let line = reading.next..<end
            do throws(Problem) {
                try read(line, &reading)
            } catch {
                problem = error
            }
            reading.next = end + 1
            // Lines of an account that is incomplete are read again with the lines that follow.
            if reading.place == 0, problem == nil { reading.done = reading.next }
        }
        keepRest(from: reading.done, of: lines)
        var batch = finish(reading)
        batch.isLast = isLast
        return batch
    }

    /// Moves the rest into a buffer of its own: the batch shares the storage of this one.
    private mutating func keepRest(from done: Int, of lines: ByteBuffer) {
        let count = text.readableBytes - (done - lines.readerIndex)
        let rest = text.getSlice(at: text.writerIndex - count, length: count)
        text = ByteBufferAllocator().buffer(capacity: count + ExportRun.batchBytes + ExportRun.readBytes)
        if let rest { text.writeImmutableBuffer(rest) }
    }

    private mutating func finish(_ reading: Reading) -> ExportBatch {
        var batch = reading.batch(types)
        (batch.moment, batch.replica) = (moment, replica)
        accounts += batch.accounts
        waiting = reading.waiting
        guard let last = reading.last else { return batch }
        let bytes = reading.bytes(of: last)
        batch.lastAccount = String(decoding: bytes, as: UTF8.self)
        switch order {
        case .ascending: order = .ascending(after: bytes)
        case .chosen(let ids): order = .chosen(ids.dropFirst(batch.accounts))
        }
        return batch
    }

    // MARK: Lines

    private mutating func read(_ line: Range<Int>, _ reading: inout Reading) throws(Problem) {
        guard behind == nil else {
            if line.isEmpty { return reading.omit(line) }
            throw .incomplete
        }
        let type = types[reading.place]
        let isPlain = reading.lines.isPlainLine(line)
        if isPlain, let account = reading.lines.account(ofPlain: type, line) {
            return try add(.range(account), failure: nil, &reading)
        }
        if !isPlain { reading.hasOnlyPlainLines = false }
        try readJSON(line, &reading)
    }

    private mutating func readJSON(_ line: Range<Int>, _ reading: inout Reading) throws(Problem) {
        guard !line.isEmpty else { return reading.omit(line) }
        let bytes = reading.bytes(of: .range(line))
        guard let object = (try? JSONValue(parsing: bytes))?.object else { throw .incomplete }
        switch object["type"]?.string {
        case "failure":
            let kind = object["kind"]?.string ?? RecordType.contact.rawValue
            let code = "\(object["code"]?.integer ?? 0)"
            try add(RecordType(rawValue: kind), object["account_id"]?.string, failure: code, &reading)
        case let name? where RecordType(rawValue: name) != nil:
            try add(RecordType(rawValue: name), object["account_id"]?.string, failure: nil, &reading)
        case "gone" where isOfChanges:
            try add(types.first, object["account_id"]?.string, failure: nil, &reading)
            reading.gone += 1
        case "begin":
            moment = object["as_of"]?.string
            replica = object["replica"]?.string
            // Most accounts have no line in a stream of changes.
            hasBegun = true
            if !isOfChanges { announced = object["accounts"]?.integer.map { $0 + (object["more"]?.integer ?? 0) } }
            reading.omit(line)
        case "end":
            let more = object["more"]?.integer ?? 0
            let count = (accounts + reading.accounts) * types.count + reading.place
            let gone = object["gone"]?.integer ?? 0
            guard Self.count(in: object).map({ $0 + gone }) == count else { throw .inconsistent }
            guard reading.place == 0, more == 0 || count > 0 else { throw .incomplete }
            behind = more
            reading.omit(line)
        case "error":
            throw .broken(
                code: object["code"]?.integer ?? 0, message: object["message"]?.string ?? "the stream was aborted",
                retryAfter: object["retry_after"]?.integer)
        case "heartbeat":
            reading.waiting = object["waiting"]?.string
            reading.omit(line)
        // Later versions may add line types, which describe no account.
        case _: reading.omit(line)
        }
    }

    private func add(
        _ type: RecordType?, _ account: String?, failure: String?, _ reading: inout Reading
    ) throws(Problem) {
        guard type == types[reading.place], let account else { throw .incomplete }
        try add(.bytes(Array(account.utf8)), failure: failure, &reading)
    }

    private func add(_ account: ID, failure: String?, _ reading: inout Reading) throws(Problem) {
        if reading.place == 0 {
            guard isNext(account, reading) else { throw .inconsistent }
            reading.open = account
        } else {
            guard reading.compare(reading.open, account) == 0 else { throw .incomplete }
        }
        if let failure { reading.openFailures.append((reading.place, failure)) }
        reading.place += 1
        if reading.place == types.count { reading.completeAccount() }
    }

    private func isNext(_ account: ID, _ reading: Reading) -> Bool {
        switch order {
        case .ascending(let after): reading.compare(reading.last ?? .bytes(after), account) < 0
        case .chosen(let ids):
            reading.accounts < ids.count
                && ids[ids.startIndex + reading.accounts].rawValue.utf8.elementsEqual(reading.bytes(of: account))
        }
    }

    /// The number of lines of accounts that an `end` line states.
    private static func count(in end: JSONObject) -> Int? {
        guard let types = end["by_kind"]?.object else {
            return end["contacts"]?.integer.flatMap { contacts in end["failures"]?.integer.map { contacts + $0 } }
        }
        return types.members.reduce(0) { sum, type in
            let counts = type.value.object
            return sum + (counts?["records"]?.integer ?? 0) + (counts?["failures"]?.integer ?? 0)
        }
    }

    /// The state of reading one batch.
    private struct Reading {
        let lines: ByteBuffer
        var hasOnlyPlainLines = true

        /// The start of the next line.
        var next: Int

        /// The end of the last line that needs not be read again.
        var done: Int

        /// The start of the lines of accounts that follow the last line without an account.
        private var partStart: Int
        private var parts: [Range<Int>] = []

        /// The place of the next line among those of its account.
        var place = 0

        /// The account whose lines are read, and its failures.
        var open = ID.bytes([])
        var openFailures: [(place: Int, code: String)] = []

        /// The last complete account.
        private(set) var last: ID?
        private(set) var accounts = 0

        /// The number of these accounts that have vanished.
        var gone = 0

        /// What the service waits for, if the last line is a `heartbeat`.
        var waiting: String?
        private var failures: [(place: Int, code: String)] = []

        init(_ lines: ByteBuffer) {
            self.lines = lines
            next = lines.readerIndex
            done = next
            partStart = next
        }

        mutating func completeAccount() {
            accounts += 1
            waiting = nil
            last = open
            place = 0
            guard !openFailures.isEmpty else { return }
            failures += openFailures
            openFailures = []
        }

        /// Excludes a line without an account.
        mutating func omit(_ line: Range<Int>) {
            if line.lowerBound > partStart { parts.append(partStart..<line.lowerBound) }
            partStart = line.upperBound + 1
        }

        func bytes(of id: ID) -> [UInt8] {
            switch id {
            case .range(let range): lines.getBytes(at: range.lowerBound, length: range.count) ?? []
            case .bytes(let bytes): bytes
            }
        }

        func compare(_ left: ID, _ right: ID) -> Int {
            if case .range(let left) = left, case .range(let right) = right { return lines.compare(left, right) }
            let (left, right) = (bytes(of: left), bytes(of: right))
            return left == right ? 0 : left.lexicographicallyPrecedes(right) ? -1 : 1
        }

        func batch(_ types: [RecordType]) -> ExportBatch {
            var batch = ExportBatch()
            batch.hasOnlyPlainLines = hasOnlyPlainLines
            batch.accounts = accounts
            batch.gone = gone
            for (place, type) in types.enumerated() where accounts > 0 {
                batch.records[type] = accounts - gone - failures.count { $0.place == place }
            }
            for failure in failures { batch.failures[failure.code, default: 0] += 1 }
            let ranges = (parts + [partStart..<max(partStart, done)]).compactMap { part in
                part.lowerBound < min(part.upperBound, done) ? part.lowerBound..<min(part.upperBound, done) : nil
            }
            for (index, range) in ranges.enumerated() {
                guard let part = lines.getSlice(at: range.lowerBound, length: range.count) else { continue }
                if index == 0 { batch.lines = part } else { batch.lines.writeImmutableBuffer(part) }
            }
            return batch
        }
    }
}

extension ByteBuffer {
    /// The longest account id (`AccountID`).
    private static let accountBytesMax = 64

    /// The account id of a line with data of that type, if the line has the form that the service writes: the members and
    /// the white space of `{"type":"contact","account_id":"…","as_of":"…","billing":{…}}`. The object is not read.
    ///
    /// - Parameter line: A line without its line feed, in UTF-8 and without control characters.
    fileprivate func account(ofPlain type: RecordType, _ line: Range<Int>) -> Range<Int>? {
        let (head, member) = type.plainLine
        guard line.count > head.utf8CodeUnitCount, begins(with: head, at: line.lowerBound) else { return nil }
        let start = line.lowerBound + head.utf8CodeUnitCount
        guard let end = firstIndex(of: UInt8(ascii: "\""), from: start), end > start, end < line.upperBound,
            end - start <= Self.accountBytesMax, begins(with: "\",\"as_of\":\"", at: end)
        else { return nil }
        let bytes = readableBytesUInt8Span
        for index in start..<end where bytes[index - readerIndex] == UInt8(ascii: "\\") { return nil }
        // 20 bytes: the time in seconds and UTC.
        let object = end + 11 + 20
        guard object + member.utf8CodeUnitCount < line.upperBound, begins(with: member, at: object),
            begins(with: "}}", at: line.upperBound - 2)
        else { return nil }
        return start..<end
    }
}

extension RecordType {
    /// What precedes the account id, and what is between the time and the members of Zoom's object.
    fileprivate var plainLine: (head: StaticString, member: StaticString) {
        switch self {
        case .contact: ("{\"type\":\"contact\",\"account_id\":\"", "\",\"billing\":{")
        case .plans: ("{\"type\":\"plans\",\"account_id\":\"", "\",\"plans\":{")
        case .usage: ("{\"type\":\"usage\",\"account_id\":\"", "\",\"usage\":{")
        case .invoices: ("{\"type\":\"invoices\",\"account_id\":\"", "\",\"invoices\":{")
        }
    }
}
