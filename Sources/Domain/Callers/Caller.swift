/// A client program of the service, with its permissions.
package struct Caller: Sendable, Equatable {
    /// A permission of a caller. The raw values are those of the callers file.
    package enum Scope: String, Sendable, CaseIterable {
        /// Look up the billing and the details of one account at a time, and list the accounts.
        case billingRead = "billing:read"
        /// Change the billing contact of an account. No operation requires this scope yet.
        case billingWrite = "billing:write"
        /// Stream the billing of many accounts. Plans and invoices also need their scopes.
        case billingExport = "billing:export"
        /// Read the invoices of accounts.
        case invoicesRead = "invoices:read"
        /// Read the plans of accounts, and how much of them is used.
        case plansRead = "plans:read"
        /// No operation requires this scope yet.
        case plansWrite = "plans:write"
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

    /// Checks that the caller may look up an account. An account outside the allow-list appears not to exist, whether
    /// it does or not. No request is sent for it, so the response time does not reveal whether it exists.
    ///
    /// - Throws: `accountNotFound`; also for the alias of the master account, which is no sub account.
    package func requireAccess(to account: AccountID) throws(BillingFailure) {
        guard !account.isMasterAlias, accounts?.contains(account) ?? true else { throw .accountNotFound(account) }
    }

    /// Whether the caller may continue an export that needs the permissions `before`.
    package func mayContinueExport(startedAs before: Caller) -> Bool {
        guard scopes.isSuperset(of: before.scopes), master == before.master else { return false }
        guard let accounts else { return true }
        return before.accounts.map(accounts.isSuperset) ?? false
    }
}
