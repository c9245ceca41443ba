/// The days whose invoices are listed, the first and the last included.
package struct InvoicePeriod: Sendable, Hashable {
    package let from: CalendarDate
    package let to: CalendarDate

    /// - Parameter today: The current day in UTC.
    /// - Throws: `invalid` with every broken rule: both are days (`yyyy-mm-dd`) in order, at most a year apart, and the first
    ///   one is at most three years ago (Zoom: List billing invoices).
    package init(from: String?, to: String?, today: CalendarDate) throws(BillingFailure) {
        var violations: [BillingFailure.Violation] = []
        func day(_ field: String, _ text: String?) -> CalendarDate? {
            let day = text.flatMap { CalendarDate($0) }
            if day == nil {
                violations.append(
                    .init(
                        field: field,
                        message: text == nil ? "Required: a date, yyyy-mm-dd." : "Must be a date, yyyy-mm-dd."))
            }
            return day
        }
        let (first, last) = (day("from", from), day("to", to))
        if let first, let last {
            if last < first {
                violations.append(.init(field: "to", message: "Must not be before \"from\"."))
            } else if let end = first.adding(years: 1), last > end {
                violations.append(.init(field: "to", message: "Must be at most one year after \"from\"."))
            }
        }
        // A day of grace: it may be that day still in the time zone of the caller or of Zoom.
        if let first, let earliest = today.adding(years: -3)?.previous, first < earliest {
            violations.append(.init(field: "from", message: "Must be within the last three years."))
        }
        guard let first, let last, violations.isEmpty else { throw .invalid(violations) }
        self.from = first
        self.to = last
    }

    /// A period that was checked before.
    ///
    /// - Returns: `nil` if `to` is before `from`.
    package init?(from: CalendarDate, to: CalendarDate) {
        guard from <= to else { return nil }
        self.from = from
        self.to = to
    }

    package func contains(_ day: CalendarDate) -> Bool { from <= day && day <= to }

    package func contains(_ other: InvoicePeriod) -> Bool { from <= other.from && other.to <= to }
}
