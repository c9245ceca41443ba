/// The billing of one account, as the source reports it.
package enum AccountBilling: Sendable, Equatable {
    case masterPays(BillingContact)
    case selfPay

    package var mode: BillingMode {
        switch self {
        case .masterPays: .masterPays
        case .selfPay: .selfPay
        }
    }

    /// The contact, if the master account may see it.
    ///
    /// - Throws: `selfPay`.
    package func visibleContact() throws(BillingFailure) -> BillingContact {
        guard mode.showsBillingToMaster, case .masterPays(let contact) = self else { throw .selfPay }
        return contact
    }
}
