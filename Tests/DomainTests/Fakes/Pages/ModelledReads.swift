import Domain

/// The reads of a `PagesModel`: several operations, master accounts and periods of invoices, for the same accounts.
struct ModelledReads {
    struct Shelf {
        let master: Name?

        /// The kind that streams have; `nil` if they have none.
        let kind: ExportKind?

        /// The index of the first read.
        let first: Int
    }

    let reads: [AccountRead]
    let shelves: [Shelf]
    let accounts: AccountList

    init(accounts count: Int, using random: inout SeededRandom) {
        var ids: Set<AccountID> = []
        let shared = "Qx7Zk2mPTfGh0a-Shared.Prefix"
        while ids.count < count {
            // Ids of all lengths, many with the same first 16 bytes, some of which are the beginning of others.
            let letters = Array("aZ9-_.=+bQ")
            let length = Int.random(in: 1...12, using: &random)
            let tail = String((0..<length).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
            let head = shared.prefix([0, 0, 15, 16, 17, 28][Int.random(in: 0..<6, using: &random)])
            // Not every text is an id.
            if let id = AccountID(head + tail) { ids.insert(id) }
        }
        let accounts = AccountList(ids)
        func day(_ text: String) -> CalendarDate {
            guard let day = CalendarDate(text) else { preconditionFailure("not a date") }
            return day
        }
        func period(_ from: String, _ to: String) -> InvoicePeriod {
            guard let period = InvoicePeriod(from: day(from), to: day(to)) else { preconditionFailure("not a period") }
            return period
        }
        let kinds: [(ExportKind, Name?)] = [
            (.contact, nil), (.contact, Name(literal: "first")), (.contact, Name(literal: "second")), (.plans, nil),
            (.invoices(period("2025-01-01", "2025-12-31")), nil), (.invoices(period("2025-06-01", "2025-06-30")), nil),
        ]
        var reads: [AccountRead] = []
        var shelves: [Shelf] = []
        for (kind, master) in kinds {
            shelves.append(Shelf(master: master, kind: kind, first: reads.count))
            for index in 0..<accounts.count { reads.append(kind.read(of: accounts[index])) }
        }
        // As many invoices as accounts. An account may have several, or none.
        shelves.append(Shelf(master: nil, kind: nil, first: reads.count))
        for index in 0..<accounts.count {
            guard let invoice = InvoiceID("invoice-\(index)") else { preconditionFailure("not an invoice id") }
            reads.append(.invoice(invoice, of: accounts[index / 3 * 3]))
        }
        self.accounts = accounts
        self.reads = reads
        self.shelves = shelves
    }

    var count: Int { reads.count }

    func shelf(of index: Int) -> Shelf { shelves[index / accounts.count] }
}

/// A stored answer as a `PagesModel` expects it.
struct ModelledAnswer {
    /// False after the answer was removed. When its content was first seen is known still.
    var isStored: Bool
    let encoded: EncodedAnswer
    let failure: BillingFailure?

    /// In milliseconds of `Moment`.
    let receivedAt: Int64
    let lifetime: Int64

    /// In milliseconds since 1970.
    var firstSeen: Int64

    func hasContent(of other: ModelledAnswer) -> Bool {
        failure == other.failure && (failure != nil || encoded.tag == other.encoded.tag)
    }

    /// Whether a stored answer is this one.
    func isEqual(to stored: StoredAnswer) -> Bool {
        stored.text.elementsEqual(encoded.text) && stored.body.elementsEqual(encoded.text[encoded.body])
            && stored.failure == failure && (failure != nil || stored.tag == encoded.tag)
            && stored.firstSeen == firstSeen && stored.lifetime == .milliseconds(lifetime)
            && stored.receivedAt == Moment(sinceOrigin: .milliseconds(receivedAt))
    }

    /// A random answer: few contents, so that the same one comes again, and some as large as a page.
    init(
        to read: AccountRead, serial: Int, receivedAt: Int64, firstSeen: Int64, using random: inout SeededRandom
    ) {
        isStored = true
        self.receivedAt = receivedAt
        self.firstSeen = firstSeen
        lifetime = Int64.random(in: 1...200_000, using: &random)
        var key = Array(read.account.rawValue.utf8)
        var failures: [BillingFailure] = [.selfPay, .accountIsFree, .accountNotFound(read.account)]
        if case .invoice(let invoice)? = read.parameter {
            key += [0] + Array(invoice.rawValue.utf8)
            failures.append(.invoiceNotFound(invoice))
        }
        let head = Array("\(serial):".utf8)
        let content = Int.random(in: 0..<6, using: &random)
        guard content > 1 else {
            failure = failures[Int.random(in: 0..<failures.count, using: &random)]
            let text = head + key
            encoded = EncodedAnswer(text: text, keyStart: head.count, body: text.count..<text.count, tag: 0)
            return
        }
        failure = nil
        let length =
            switch Int.random(in: 0..<1000, using: &random) {
            case 0: Int.random(in: 40_000...100_000, using: &random)
            case 1..<20: Int.random(in: 1000...5000, using: &random)
            default: content * 30
            }
        // Contents of different lengths are different, and have different tags.
        let body = [UInt8](repeating: UInt8(ascii: "0") + UInt8(content), count: length)
        let start = head.count + key.count + 1
        encoded = EncodedAnswer(
            text: head + key + [UInt8(ascii: "=")] + body + Array("}\n".utf8), keyStart: head.count,
            body: start..<start + length, tag: UInt64(length))
    }
}
