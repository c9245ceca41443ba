/// Lists the sub accounts of a master account.
package protocol SubAccountDirectory: Sendable {
    /// A page of the list. Its accounts are in no order, and may be on another page as well.
    ///
    /// - Parameter master: As for `BillingSource`.
    /// - Throws: As `BillingSource`; `invalid` without violations for an expired page token or an invalid page number.
    func page(
        of master: Name?, _ request: SubAccountPageRequest, for purpose: Purpose
    ) async throws(BillingFailure) -> SubAccountPage
}

package struct SubAccountPageRequest: Sendable, Hashable {
    package enum Start: Sendable, Hashable {
        /// The page with this number, from 1.
        case number(Int)
        /// The page after the one that had this token.
        case token(String)
    }

    package let start: Start

    /// The number of accounts on a page; `nil` for as many as the source permits.
    package let size: Int?
    package let filter: SubAccountFilter

    package init(_ start: Start, size: Int? = nil, filter: SubAccountFilter = .all) {
        self.start = start
        self.size = size
        self.filter = filter
    }
}

/// Selects sub accounts.
package struct SubAccountFilter: Sendable, Hashable {
    /// Only the accounts of this reseller; `nil` for all accounts.
    package let reseller: String?

    package init(reseller: String? = nil) {
        self.reseller = reseller
    }

    /// `nil` unless the id of the reseller has 1 to 64 visible ASCII characters.
    package init?(resellerID text: String) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        reseller = text
    }

    package static let all = SubAccountFilter()
}

/// A sub account of a list.
package struct SubAccount: Sendable {
    package let id: AccountID

    /// The account as the source describes it in lists.
    package let record: SourceDocument

    package init(id: AccountID, record: SourceDocument) {
        self.id = id
        self.record = record
    }
}

package struct SubAccountPage: Sendable {
    package let accounts: [SubAccount]

    /// The token of the next page; `nil` after the last page.
    package let next: String?

    /// The number of accounts on all pages, if the source reports it.
    package let total: Int?

    package init(accounts: [SubAccount], next: String?, total: Int?) {
        self.accounts = accounts
        self.next = next
        self.total = total
    }
}
