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
