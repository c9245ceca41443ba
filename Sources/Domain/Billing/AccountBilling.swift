/// The billing of one account, as the source reports it.
package enum AccountBilling: Sendable, Equatable {
    /// The master account pays, and may see and change the billing of the sub account.
    case masterPays(BillingContact)
    /// The sub account pays for itself. The master account may not see its billing.
    case selfPay

    /// The contact, if the master account may see it.
    ///
    /// - Throws: `selfPay`.
    package func visibleContact() throws(BillingFailure) -> BillingContact {
        guard case .masterPays(let contact) = self else { throw .selfPay }
        return contact
    }
}
