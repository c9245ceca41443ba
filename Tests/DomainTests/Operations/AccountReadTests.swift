import Domain
import DomainFakes
import Testing

@Suite("Reads as keys of the cache")
struct AccountReadTests {
    private static let today = CalendarDate(of: Timestamp(secondsSinceEpoch: 1_769_860_800))

    private static func reads() throws -> [AccountRead] {
        let invoices = try ["i1", "i2"].map { try #require(InvoiceID($0)) }
        let periods = try ["2025-01-01", "2025-01-02"].map {
            try InvoicePeriod(from: $0, to: "2025-06-30", today: today)
        }
        return ["a", "b"].map { AccountID(literal: $0) }.flatMap { account -> [AccountRead] in
            [
                .billingInformation(of: account), .planInformation(of: account), .planUsage(of: account),
                .subAccountDetails(of: account),
            ] + invoices.map { .invoice($0, of: account) } + periods.map { .invoices(of: account, in: $0) }
        }
    }

    @Test("Reads as keys: operation, account and parameter tell reads apart, and nothing else")
    func keys() throws {
        let reads = try Self.reads()
        #expect(Set(reads).count == reads.count)
        #expect(Set(reads + (try Self.reads())).count == reads.count)
    }

    @Test("Reads as keys: each read has its own cached answer")
    func cached() async throws {
        let source = FakeSource()
        let cache = BillingCache(source: source, time: TestClock(), rules: CacheRules(), codec: FakeCodec())
        let reads = try Self.reads()
        for _ in 0..<2 {
            for read in reads {
                _ = try await cache.entry(for: read, under: nil, for: .interactive, directives: .none)
            }
        }
        #expect(source.reads == reads && cache.size.entries == reads.count)
    }

    @Test(
        "Reads as keys: an invoice id has the form of an account id",
        arguments: [
            ("2c92a0f9d17b33", true), ("a-b_c.d=e+f", true), (String(repeating: "x", count: 64), true), ("", false),
            (String(repeating: "x", count: 65), false), ("a/b", false), ("..", false), ("a b", false), ("ä", false),
        ])
    func invoiceID(text: String, isValid: Bool) {
        #expect((InvoiceID(text) != nil) == isValid)
    }
}
