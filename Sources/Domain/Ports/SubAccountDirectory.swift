/// Who knows which sub accounts a master account has.
package protocol SubAccountDirectory: Sendable {
    /// A page of the list: its accounts come in no order, and may come again on another.
    ///
    /// - Parameters:
    ///   - master: As for `ContactSource`.
    ///   - token: What the page before said; `nil` for the first.
    /// - Throws: as `ContactSource`; `invalid` for a token that is too old.
    func page(
        of master: Name?, _ filter: SubAccountFilter, token: String?, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage
}

/// Which of the accounts are wanted.
package struct SubAccountFilter: Sendable, Hashable {
    /// Those of this reseller alone.
    package let reseller: String?

    package init(reseller: String? = nil) {
        self.reseller = reseller
    }

    package static let all = SubAccountFilter()
}

package struct SubAccountPage: Sendable {
    package let accounts: [AccountID]

    /// The token of the page that follows; `nil` after the last.
    package let next: String?

    /// How many accounts there are on all pages, if that is said.
    package let total: Int?

    package init(accounts: [AccountID], next: String?, total: Int?) {
        self.accounts = accounts
        self.next = next
        self.total = total
    }
}
