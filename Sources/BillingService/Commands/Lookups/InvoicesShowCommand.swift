import Adapters
import ArgumentParser
import Domain

struct InvoicesShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "List the invoices of a sub account, or show one with its items.",
        discussion: """
            Zoom answers one list of an account in five minutes, and six a day; for details, one in 30 minutes. A running \
            service repeats its last answer in this time.

            \(LookupFlags.discussion)
            """)

    @Argument(help: "The id of the sub account.")
    var account: AccountID

    @Argument(help: "The id of an invoice, to show its details instead of the list.")
    var invoice: InvoiceID?

    @Option(help: "First day of the list, yyyy-mm-dd (default: one year before --to).")
    var from: CalendarDate?

    @Option(help: "Last day of the list, yyyy-mm-dd (default: today, but at most one year after --from).")
    var to: CalendarDate?

    @OptionGroup var flags: LookupFlags

    func validate() throws {
        if invoice != nil, from != nil || to != nil {
            throw ValidationError("--from and --to are for the list: omit them, or the id of the invoice")
        }
        if let from, let to, to < from { throw ValidationError("--to is before --from") }
    }

    func run() async throws {
        if let invoice {
            return try await flags.printAnswer(to: .invoice(invoice, of: account)) { answer, columnsMax in
                InvoiceTables.details(answer, columnsMax: columnsMax)
            }
        }
        let (first, last) = Self.period(from, to, today: CalendarDate(of: SystemTime().timestamp))
        try await flags.printAnswer(to: .invoices(of: account, from: first, to: last)) { answer, columnsMax in
            InvoiceTables.list(answer, columnsMax: columnsMax)
        }
    }

    /// The days of the list: at most one year, as Zoom permits.
    private static func period(
        _ from: CalendarDate?, _ to: CalendarDate?, today: CalendarDate
    ) -> (from: CalendarDate, to: CalendarDate) {
        let yearLater = from?.adding(years: 1)
        let last = to ?? min(today, yearLater ?? today)
        return (from ?? last.yearBefore, last)
    }
}

extension CalendarDate {
    /// The first day of which this day is at most one year later.
    fileprivate var yearBefore: CalendarDate {
        guard let before = adding(years: -1), before.adding(years: 1) == self else {
            // 29 February, or the year 0.
            return CalendarDate(year: max(0, year - 1), month: 3, day: 1) ?? self
        }
        return before
    }
}
