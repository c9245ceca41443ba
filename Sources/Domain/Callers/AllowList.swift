/// The sub accounts that a caller may look up. Uses about 26 bytes per account, and a lookup is a binary search without
/// allocations: resellers have 100,000 accounts and more.
///
/// A class, since callers are copied for each request: a copy costs one reference.
package final class AllowList: Sendable, Equatable, ExpressibleByArrayLiteral {
    package let accounts: AccountList

    package init(_ accounts: some Sequence<AccountID>) {
        self.accounts = AccountList(accounts)
    }

    package convenience init(arrayLiteral accounts: AccountID...) {
        self.init(accounts)
    }

    package var count: Int { accounts.count }

    package func contains(_ account: AccountID) -> Bool { accounts.contains(account) }

    /// Whether a caller with this allow-list may look up an account. `nil` has all accounts. The alias of the master account
    /// is no sub account.
    static func permits(_ account: AccountID, _ allowList: AllowList?) -> Bool {
        !account.isMasterAlias && allowList?.contains(account) ?? true
    }

    package static func == (left: AllowList, right: AllowList) -> Bool {
        left === right || left.accounts == right.accounts
    }

    /// Whether this list contains every account of the other one.
    func isSuperset(of other: AllowList) -> Bool {
        self === other || accounts.isSuperset(of: other.accounts)
    }
}
