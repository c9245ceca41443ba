/// The invoices of an account in a period, as the source listed them.
package struct InvoiceList: Sendable, Equatable {
    package struct Invoice: Sendable, Equatable {
        /// `nil` if the source names none that is valid. Such an invoice is listed, but cannot be requested.
        package let id: InvoiceID?
        /// `nil` if the source names none that can be read.
        package let date: CalendarDate?
        package let document: SourceDocument

        package init(id: InvoiceID?, date: CalendarDate?, document: SourceDocument) {
            self.id = id
            self.date = date
            self.document = document
        }
    }

    /// Members beside the list, such as the currency.
    package let members: [UnreadMember]
    package let invoices: [Invoice]

    package init(members: [UnreadMember], invoices: [Invoice]) {
        self.members = members
        self.invoices = invoices
    }

    /// The member that states the currency of the account, whatever the period.
    private static let currency = "currency"

    /// The list of a period, taken from this list; `nil` if the source might list something else.
    ///
    /// The source selects invoices by their date if every date lies within the listed period. An invoice without a readable
    /// date could belong to any period, and so could an unknown member beside the list.
    ///
    /// - Parameters:
    ///   - period: A part of `listed`.
    ///   - listed: The period of this list.
    package func narrowed(to period: InvoicePeriod, from listed: InvoicePeriod) -> InvoiceList? {
        guard listed.contains(period), members.allSatisfy({ $0.name == Self.currency }) else { return nil }
        var selected: [Invoice] = []
        for invoice in invoices {
            guard let date = invoice.date, listed.contains(date) else { return nil }
            if period.contains(date) { selected.append(invoice) }
        }
        return InvoiceList(members: members, invoices: selected)
    }

    /// The memory of the list: texts with headers of 32 bytes.
    var bytes: Int {
        let members = members.reduce(0) { $0 + 96 + $1.name.utf8.count + $1.value.count }
        return invoices.reduce(members) { bytes, invoice in
            bytes + MemoryLayout<Invoice>.stride + 64 + (invoice.id?.rawValue.utf8.count ?? 0)
                + invoice.document.text.count
        }
    }
}
