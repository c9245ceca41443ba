import Domain
import DomainFakes
import Testing

@Suite("Owners of invoices")
struct InvoiceOwnersTests {
    private let a = AccountID(literal: "account-a")
    private let b = AccountID(literal: "account-b")
    private let main = Name(literal: "main")

    private static func id(_ text: String) throws -> InvoiceID { try #require(InvoiceID(text)) }

    private static func list(_ ids: [String?]) -> SourceAnswer {
        .invoices(
            InvoiceList(
                members: [],
                invoices: ids.map { id in
                    .init(id: id.flatMap { InvoiceID($0) }, date: nil, document: SourceDocument(text: Array("{}".utf8)))
                }))
    }

    private func read(
        _ read: AccountRead, _ answer: SourceAnswer, _ owners: InvoiceOwners, under master: Name? = nil
    ) async throws {
        let source = OwnerRecordingSource(FakeSource { _, _ in answer }, owners: owners)
        #expect(try await source.answer(to: read, under: master, for: .interactive) == answer)
    }

    private func period() throws -> InvoicePeriod {
        try InvoicePeriod(
            from: "2026-01-01", to: "2026-06-30", today: CalendarDate(of: Timestamp(secondsSinceEpoch: 1_790_000_000)))
    }

    @Test("Owners of invoices: a list and details show the account of an invoice, for that master account only")
    func shown() async throws {
        let owners = InvoiceOwners()
        let (first, second, third) = (try Self.id("i1"), try Self.id("i2"), try Self.id("i3"))
        try await read(.invoices(of: a, in: period()), Self.list(["i1", nil, "i2"]), owners, under: main)
        try await read(
            .invoice(third, of: b), .document(SourceDocument(text: Array("{}".utf8))), owners, under: main)
        #expect(owners.owner(of: first, under: main) == a && owners.owner(of: second, under: main) == a)
        #expect(owners.owner(of: third, under: main) == b)
        #expect(owners.owner(of: first, under: nil) == nil)
        #expect(owners.owner(of: try Self.id("i4"), under: main) == nil)
        #expect(owners.size.invoices == 3)
    }

    @Test("Owners of invoices: a failure, a contact and a document without an invoice show nothing")
    func notShown() async throws {
        let owners = InvoiceOwners()
        let failing = OwnerRecordingSource(
            FakeSource { _, _ async throws(BillingFailure) in throw .accountIsFree }, owners: owners)
        await #expect(throws: BillingFailure.accountIsFree) {
            try await failing.answer(to: .invoice(Self.id("i1"), of: a), under: nil, for: .interactive)
        }
        try await read(.billingInformation(of: a), .contact(.sample(a)), owners)
        try await read(.planUsage(of: a), .document(SourceDocument(text: Array("{}".utf8))), owners)
        #expect(owners.size.invoices == 0)
    }

    @Test("Owners of invoices: the last list decides, and details do not contradict a list")
    func contradiction() async throws {
        let owners = InvoiceOwners()
        let invoice = try Self.id("i1")
        try await read(.invoices(of: a, in: period()), Self.list(["i1"]), owners)
        try await read(.invoice(invoice, of: b), .document(SourceDocument(text: Array("{}".utf8))), owners)
        #expect(owners.owner(of: invoice, under: nil) == a)
        try await read(.invoices(of: b, in: period()), Self.list(["i1"]), owners)
        #expect(owners.owner(of: invoice, under: nil) == b)
    }

    @Test("Owners of invoices: their number is limited, the oldest are removed first, and the size is counted")
    func bounded() async throws {
        let owners = InvoiceOwners()
        let empty = owners.size.bytes
        var largest = 0
        for number in 0..<2500 {
            let ids = (0..<100).map { "2c92a0f9d17b33aa00000000\(10_000_000 + number * 100 + $0)" }
            try await read(.invoices(of: a, in: period()), Self.list(ids), owners)
            let size = owners.size
            #expect(size.invoices <= InvoiceOwners.invoicesMax)
            #expect(owners.owner(of: try Self.id(ids[99]), under: nil) == a)
            largest = max(largest, size.bytes)
        }
        #expect(owners.size.invoices >= InvoiceOwners.invoicesMax / 2 && empty == 0)
        #expect(owners.owner(of: try Self.id("2c92a0f9d17b33aa0000000010000000"), under: nil) == nil)
        // Less than 20 MB for ids of 32 characters.
        #expect(largest > InvoiceOwners.invoicesMax * 64 && largest < 20_000_000)
        owners.removeAll()
        #expect(owners.size == (0, 0))
    }

    @Test("Owners of invoices: an answer to a request from before the removal of all invoices shows nothing")
    func removedMeanwhile() async throws {
        let owners = InvoiceOwners()
        let source = OwnerRecordingSource(
            FakeSource { _, _ in
                owners.removeAll()
                return Self.list(["i1"])
            }, owners: owners)
        _ = try await source.answer(to: .invoices(of: a, in: period()), under: nil, for: .interactive)
        #expect(owners.size.invoices == 0)
    }
}
