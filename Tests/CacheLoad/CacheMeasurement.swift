import Domain
import Glibc

/// Fills the cache, replaces each answer, walks over all, and stores as many answers of other accounts, for which these are
/// evicted. Another thread reads all the while.
struct CacheMeasurement {
    let count: Int

    /// The order of accounts in which answers are stored.
    let isAscending: Bool

    func run(_ codec: any AnswerCodec, _ time: any TimeSource) throws {
        var rules = CacheRules()
        rules.ttl = .seconds(86_400)
        // Room for COUNT answers with prepared ones, but not for twice as many.
        rules.bytesMax = count * 500
        let accounts = (0..<2 * count).map { Self.account($0) }
        let list = AccountList(accounts[..<count])
        var order = Array(0..<count)
        if !isAscending { order.shuffle() }
        let contents = Contents(codec, time, accounts)
        var timings = Timings(count)
        let before = Self.memory()
        let pages = AnswerPages(rules: rules)
        let cache = BillingCache(source: NoSource(), time: time, rules: rules, codec: codec, pages: pages)
        let reader = ConcurrentReader(cache, time, list, accounts)

        try reader.watch("fill") { for number in order { timings.measure { contents.store(number, in: pages) } } }
        timings.report("store an answer")
        let inspection = pages.inspect()
        let (entries, resident) = (cache.size.entries, Self.memory() - before)
        print(
            """
            answers \(entries), pages \(inspection.pages), counted \(inspection.bytes / entries) B each, unused \
            \(inspection.unusedBytes / entries) B, resident \(resident / entries) B
            """)

        try reader.watch("replace") { for number in order { timings.measure { contents.store(number, in: pages) } } }
        timings.report("replace an answer")
        print("resident after replacing \((Self.memory() - before) / entries) B each")
        for turn in 1...3 {
            let start = ThreadUse.now
            let (lines, runs) = walk(cache, list, at: time.now)
            let micros = (ThreadUse.now.cpu - start.cpu) / .microseconds(1)
            print("walk \(turn): \(lines) lines in \(runs) runs, \(micros / Double(lines)) us of CPU a line")
        }
        try reader.watch("evict") {
            for number in order { timings.measure { contents.store(count + number, in: pages) } }
        }
        timings.report("store an answer while others are evicted")
        try reader.watch("remove all") { cache.removeAll() }
        print("evicted \(pages.evicted), problems \(pages.inspect().problems)")
    }

    private func walk(_ cache: BillingCache, _ list: AccountList, at now: Moment) -> (lines: Int, runs: Int) {
        var (place, lines, runs) = (0, 0, 0)
        while place < list.count {
            let run = cache.run(
                of: .contact, under: nil, in: list, place..<list.count, directives: .none, at: now)
            lines += run?.count ?? 0
            runs += 1
            place += run?.count ?? 1
        }
        return (lines, runs)
    }

    private static func account(_ number: Int) -> AccountID {
        let digits = String(number)
        guard let id = AccountID("Qx7Zk2mPTfGh0a" + String(repeating: "0", count: 8 - digits.count) + digits) else {
            preconditionFailure("no id")
        }
        return id
    }

    /// The resident memory of the process, in bytes.
    private static func memory() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self).split(separator: " ")
        return (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

/// The answers that are stored.
private struct Contents {
    private let codec: any AnswerCodec
    private let time: any TimeSource
    private let accounts: [AccountID]

    init(_ codec: any AnswerCodec, _ time: any TimeSource, _ accounts: [AccountID]) {
        self.codec = codec
        self.time = time
        self.accounts = accounts
    }

    func store(_ number: Int, in pages: AnswerPages) {
        let account = accounts[number]
        let read = AccountRead.billingInformation(of: account)
        let suffix = account.rawValue.suffix(7)
        let contact = BillingContact(reading: { field in
            switch field {
            case .address: "12 Example Street"
            case .apartment: "4b"
            case .city: "Oakland"
            case .country: "US"
            case .email: "billing-\(suffix)@example.com"
            case .firstName: "Billing"
            case .lastName: "Contact \(suffix)"
            case .phoneNumber: "+1 555 0100 200"
            case .state: "CA"
            case .zip: "94607"
            }
        })
        let encoded = codec.encode(.success(.contact(contact)), to: read, asOf: time.timestamp)
        guard let answer = NewAnswer(encoded, receivedAt: time.now, lifetime: .seconds(86_400)) else { return }
        _ = pages.put(answer, to: read, under: nil, now: time.millisecondsSinceEpoch)
    }
}

/// How long calls take, with the encoding of the answer.
private struct Timings {
    private var nanoseconds: [UInt32] = []

    init(_ count: Int) { nanoseconds.reserveCapacity(count) }

    mutating func measure(_ body: () -> Void) {
        let start = ThreadUse.now
        body()
        nanoseconds.append(UInt32(clamping: Int((ThreadUse.now.cpu - start.cpu) / .nanoseconds(1))))
    }

    mutating func report(_ name: String) {
        nanoseconds.sort()
        let mean = nanoseconds.reduce(0.0) { $0 + Double($1) } / Double(nanoseconds.count) / 1000
        let p99 = Double(nanoseconds[nanoseconds.count * 99 / 100]) / 1000
        print("\(name), with its encoding: \(mean) us of CPU, p99 \(p99) us")
        nanoseconds.removeAll(keepingCapacity: true)
    }
}

/// A source that is not called, since only the cache is read.
private struct NoSource: BillingSource {
    func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool { false }

    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer { throw .sourceFailed }
}
