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
}
