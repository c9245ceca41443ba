/// A caller, with what each of its lookups needs computed once.
///
/// A class, since it is passed along for each request: a copy costs one reference.
package final class PreparedCaller: Sendable {
    package let caller: Caller

    // Parts of `caller`, to be read without a copy of it.
    package let name: Name
    package let hasRate: Bool
    let master: Name?
    private let accounts: AllowList?

    /// A part of the hash of each of its cache keys.
    let masterHash: Int

    /// A bit for each operation that its scopes permit, at the operation's raw value.
    private let operations: UInt32

    package init(_ caller: Caller) {
        self.caller = caller
        name = caller.name
        hasRate = caller.rate != nil
        master = caller.master
        accounts = caller.accounts
        masterHash = BillingCache.Key.hash(of: caller.master)
        operations = Operation.allCases.reduce(0) { operations, operation in
            let isPermitted = caller.scopes.contains(operation.rules.callerScope)
            return isPermitted ? operations | 1 << UInt32(operation.rawValue) : operations
        }
    }

    /// Whether `Caller.requireAccess` permits an account.
    func mayAccess(_ account: AccountID) -> Bool { AllowList.permits(account, accounts) }

    func mayRequest(_ operation: Operation) -> Bool { operations >> UInt32(operation.rawValue) & 1 == 1 }
}
