/// Lists the sub accounts of a master account.
package protocol SubAccountDirectory: Sendable {
    /// A page of the list. Its accounts are in no order, and may be on another page as well.
    ///
    /// - Parameters:
    ///   - master: As for `BillingSource`.
    ///   - token: The token of the page, from the previous page; `nil` for the first page.
    /// - Throws: As `BillingSource`; `invalid` for an expired page token.
    func page(
        of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage
}

/// Selects sub accounts.
package struct SubAccountFilter: Sendable, Hashable {
    /// Only the accounts of this reseller; `nil` for all accounts.
    package let reseller: String?

    package init(reseller: String? = nil) {
        self.reseller = reseller
    }

    package static let all = SubAccountFilter()
}

package struct SubAccountPage: Sendable {
    package let accounts: [AccountID]

    /// The token of the next page; `nil` after the last page.
    package let next: String?

    /// The number of accounts on all pages, if the source reports it.
    package let total: Int?

    package init(accounts: [AccountID], next: String?, total: Int?) {
        self.accounts = accounts
        self.next = next
        self.total = total
    }
}
