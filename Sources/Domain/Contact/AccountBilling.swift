/// What a source knows of one account's billing.
package enum AccountBilling: Sendable, Equatable {
    case masterPays(BillingContact)
    case selfPay

    package var mode: BillingMode {
        switch self {
        case .masterPays: .masterPays
        case .selfPay: .selfPay
        }
    }

    /// The contact, if it is the master's to see.
    ///
    /// - Throws: `selfPay`.
    package func visibleContact() throws(BillingFailure) -> BillingContact {
        guard mode.showsBillingToMaster, case .masterPays(let contact) = self else { throw .selfPay }
        return contact
    }
}

/// A contact with the time it was read at.
package struct DatedContact: Sendable, Equatable {
    package let contact: BillingContact
    package let asOf: Timestamp

    package init(contact: BillingContact, asOf: Timestamp) {
        self.contact = contact
        self.asOf = asOf
    }
}
