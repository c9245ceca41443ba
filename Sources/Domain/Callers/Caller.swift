/// A client program of the service, with its permissions.
package struct Caller: Sendable, Equatable {
    /// A permission of a caller. The raw values are those of the callers file.
    package enum Scope: String, Sendable, CaseIterable {
        /// Look up the billing and the details of one account at a time, and list the accounts.
        case billingRead = "billing:read"
        /// Change the billing contact of an account.
        case billingWrite = "billing:write"
        /// Stream the billing of many accounts. Plans and invoices also need their scopes.
        case billingExport = "billing:export"
        /// Read the invoices of accounts.
        case invoicesRead = "invoices:read"
        /// Read the plans of accounts, and how much of them is used.
        case plansRead = "plans:read"
        /// Buy, change and cancel plans of accounts.
        case plansWrite = "plans:write"
        /// Dry runs of changes of plans, but not the changes themselves.
        case plansDryRun = "plans:dry-run"
    }

    /// A token bucket: `burst` requests at once, refilled at `perSecond` requests per second.
    package struct Rate: Sendable, Equatable {
        package let burst: Int
        package let perSecond: Int

        package init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }

    package let name: Name
    package let scopes: Set<Scope>

    /// The master account whose sub accounts the caller may look up; `nil` for the only one.
    package let master: Name?

    /// The sub accounts that the caller may look up; `nil` for all.
    package let accounts: AllowList?

    package let rate: Rate?

    package init(
        name: Name, scopes: Set<Scope>, master: Name? = nil, accounts: AllowList? = nil, rate: Rate? = nil
    ) {
        self.name = name
        self.scopes = scopes
        self.master = master
        self.accounts = accounts
        self.rate = rate
    }

    /// - Throws: `scopeMissing` if the caller does not have the scope.
    package func require(_ scope: Scope) throws(BillingFailure) {
        guard scopes.contains(scope) else { throw .scopeMissing(scope) }
    }

    /// - Throws: `scopeMissing` if the caller may not make a dry run of an operation.
    package func requireDryRun(of operation: Operation) throws(BillingFailure) {
        let scope = operation.rules.callerScope
        if scope == .plansWrite, scopes.contains(.plansDryRun) { return }
        try require(scope)
    }

    /// - Throws: `scopeMissing` if the caller may not change anything.
    package func requireAnyWrite() throws(BillingFailure) {
        guard scopes.contains(.plansWrite) || scopes.contains(.billingWrite) else {
            throw .scopeMissing(.billingWrite)
        }
    }

    /// Checks that the caller may look up an account. An account outside the allow-list appears not to exist, whether
    /// it does or not. No request is sent for it, so the response time does not reveal whether it exists.
    ///
    /// - Throws: `accountNotFound`; also for the alias of the master account, which is no sub account.
    package func requireAccess(to account: AccountID) throws(BillingFailure) {
        guard AllowList.permits(account, accounts) else { throw .accountNotFound(account) }
    }

    /// Whether the caller may continue an export that needs the permissions `before`.
    package func mayContinueExport(startedAs before: Caller) -> Bool {
        guard scopes.isSuperset(of: before.scopes), master == before.master else { return false }
        guard let accounts else { return true }
        return before.accounts.map(accounts.isSuperset) ?? false
    }
}
