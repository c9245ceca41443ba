import Domain
import Testing

@Suite("Periods of invoice lists")
struct InvoicePeriodTests {
    static let today = CalendarDate(of: Timestamp(secondsSinceEpoch: 1_769_860_800))

    struct Case: CustomTestStringConvertible {
        let from: String?
        let to: String?
        let fields: [String]
        var testDescription: String { "\(from ?? "none")...\(to ?? "none")" }

        init(_ from: String?, _ to: String?, _ fields: String...) {
            self.from = from
            self.to = to
            self.fields = fields
        }
    }

    /// Today is 2026-01-31.
    @Test(
        "Periods of invoice lists: every broken rule is named at once",
        arguments: [
            Case("2025-02-01", "2026-01-31"), Case("2025-06-01", "2025-06-01"),
            // At most a year, with the same day of the next year.
            Case("2025-01-31", "2026-01-31"), Case("2025-01-31", "2026-02-01", "to"),
            Case("2024-02-29", "2025-02-28"), Case("2024-02-29", "2025-03-01", "to"),
            // Three years back, with a day of grace.
            Case("2023-01-31", "2023-02-01"), Case("2023-01-30", "2023-02-01"),
            Case("2023-01-29", "2023-02-01", "from"),
            Case("2023-01-29", "2024-06-01", "to", "from"), Case("2022-12-31", "2022-01-01", "to", "from"),
            // The future is no error: Zoom lists nothing there.
            Case("2026-01-31", "2027-01-31"), Case("2027-01-01", "2027-02-01"),
            Case(nil, nil, "from", "to"), Case("", "2026-01-31", "from"), Case("2026-01-31", nil, "to"),
            Case("2026-02-30", "01/31/2026", "from", "to"), Case("2020-01-01", "soon", "to", "from"),
            Case("2026-01-31", "2026-01-30", "to"),
        ])
    func rules(row: Case) throws {
        do throws(BillingFailure) {
            let period = try InvoicePeriod(from: row.from, to: row.to, today: Self.today)
            #expect(row.fields.isEmpty)
            #expect(period.from.description == row.from && period.to.description == row.to)
        } catch {
            guard case .invalid(let violations) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(violations.map(\.field) == row.fields)
            #expect(violations.allSatisfy { !$0.message.isEmpty })
        }
    }

    @Test("Periods of invoice lists: a period contains its first and last day, and the periods between them")
    func contains() throws {
        let period = try InvoicePeriod(from: "2025-03-01", to: "2025-06-30", today: Self.today)
        for (day, isInside) in [
            ("2025-02-28", false), ("2025-03-01", true), ("2025-06-30", true), ("2025-07-01", false),
        ] {
            #expect(period.contains(try #require(CalendarDate(day))) == isInside)
        }
        for (from, to, isInside) in [
            ("2025-03-01", "2025-06-30", true), ("2025-04-01", "2025-04-01", true), ("2025-02-28", "2025-06-30", false),
            ("2025-03-01", "2025-07-01", false), ("2025-07-01", "2025-07-02", false),
        ] {
            #expect(period.contains(try InvoicePeriod(from: from, to: to, today: Self.today)) == isInside)
        }
    }

    // MARK: Lists of shorter periods

    private static func invoice(_ id: String, _ date: String?) -> InvoiceList.Invoice {
        .init(
            id: InvoiceID(id), date: date.flatMap { CalendarDate($0) },
            document: SourceDocument(text: Array("{\"id\":\"\(id)\"}".utf8)))
    }

    private static let currency = UnreadMember(name: "currency", value: Array("\"USD\"".utf8))

    @Test("Periods of invoice lists: a list of a shorter period has the invoices of its days, in the same order")
    func narrowed() throws {
        let listed = try InvoicePeriod(from: "2025-01-01", to: "2025-12-31", today: Self.today)
        let list = InvoiceList(
            members: [Self.currency],
            invoices: [
                Self.invoice("i3", "2025-09-01"), Self.invoice("i1", "2025-03-01"), Self.invoice("i2", "2025-06-30"),
            ])
        let shorter = try InvoicePeriod(from: "2025-03-01", to: "2025-06-30", today: Self.today)
        let narrowed = try #require(list.narrowed(to: shorter, from: listed))
        #expect(narrowed.invoices.map(\.id?.rawValue) == ["i1", "i2"] && narrowed.members == [Self.currency])
        let empty = try InvoicePeriod(from: "2025-07-01", to: "2025-08-31", today: Self.today)
        #expect(list.narrowed(to: empty, from: listed)?.invoices == [])
        #expect(list.narrowed(to: listed, from: listed) == list)
        // An empty list has empty parts.
        #expect(
            InvoiceList(members: [], invoices: []).narrowed(to: shorter, from: listed)
                == InvoiceList(members: [], invoices: []))
    }

    @Test("Periods of invoice lists: no shorter list derives from a list that the source may have selected otherwise")
    func notNarrowed() throws {
        let listed = try InvoicePeriod(from: "2025-01-01", to: "2025-12-31", today: Self.today)
        let shorter = try InvoicePeriod(from: "2025-03-01", to: "2025-06-30", today: Self.today)
        let good = Self.invoice("i1", "2025-03-01")
        for list in [
            InvoiceList(members: [Self.currency], invoices: [good, Self.invoice("i2", nil)]),
            // Selected by another date, such as the due date.
            InvoiceList(members: [Self.currency], invoices: [good, Self.invoice("i2", "2026-01-01")]),
            InvoiceList(members: [Self.currency], invoices: [Self.invoice("i2", "2024-12-31")]),
            InvoiceList(
                members: [Self.currency, UnreadMember(name: "total", value: Array("7".utf8))], invoices: [good]),
        ] {
            #expect(list.narrowed(to: shorter, from: listed) == nil)
        }
        let other = try InvoicePeriod(from: "2025-03-01", to: "2026-01-01", today: Self.today)
        #expect(InvoiceList(members: [], invoices: [good]).narrowed(to: other, from: listed) == nil)
    }
}
