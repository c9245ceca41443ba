/// A contact with the time it was read at.
package struct DatedContact: Sendable, Equatable {
    package let contact: BillingContact
    package let asOf: Timestamp

    package init(contact: BillingContact, asOf: Timestamp) {
        self.contact = contact
        self.asOf = asOf
    }
}
