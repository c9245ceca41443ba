/// A program that may call the service, and what it may do.
package struct Caller: Sendable, Equatable {
    /// What a caller may do. The raw values are what operators write.
    package enum Scope: String, Sendable, CaseIterable {
        /// Look up the billing of one account at a time.
        case billingRead = "billing:read"
        /// Change the billing contact of an account.
        case billingWrite = "billing:write"
        /// Stream the billing of many accounts.
        case billingExport = "billing:export"
        case invoicesRead = "invoices:read"
        case plansRead = "plans:read"
        case plansWrite = "plans:write"
    }

    /// So many requests at once, and so many a second after that.
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

    /// The master account whose sub accounts it may ask about; `nil` for the only one there is.
    package let master: Name?

    /// The sub accounts it may ask about; `nil` for all.
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

    /// - Throws: `scopeMissing` if the caller may not do that.
    package func require(_ scope: Scope) throws(BillingFailure) {
        guard scopes.contains(scope) else { throw .scopeMissing(scope) }
    }

    /// An account that is not the caller's to ask about is to the caller one that is not there, whether it is or not.
    /// Nobody is asked about it, so that not even the time it takes tells them apart.
    ///
    /// - Throws: `accountNotFound`; also for the alias of the master itself, which is no sub account.
    package func requireAccess(to account: AccountID) throws(BillingFailure) {
        guard !account.isMasterAlias, accounts?.contains(account) ?? true else { throw .accountNotFound(account) }
    }

    /// Whether an export that was begun by the same program with the rights it had `before` may go on.
    package func mayGoOnExporting(since before: Caller) -> Bool {
        guard scopes.contains(.billingExport), master == before.master else { return false }
        guard let accounts else { return true }
        return before.accounts.map(accounts.isSuperset) ?? false
    }
}
