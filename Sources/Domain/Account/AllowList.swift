/// The sub accounts that a caller may ask about: about 26 bytes for each, and each lookup a binary search that allocates
/// nothing. Resellers have 100,000 accounts and more.
///
/// A class, because callers are copied with each request: a copy costs one reference.
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

    package static func == (left: AllowList, right: AllowList) -> Bool {
        left === right || left.accounts == right.accounts
    }

    /// Whether it holds all accounts of the other list.
    func isSuperset(of other: AllowList) -> Bool {
        self === other || accounts.isSuperset(of: other.accounts)
    }
}
