/// A program that may call the service.
package struct Caller: Sendable, Equatable {
    /// What a caller may do. The raw values are what operators write.
    package enum Scope: String, Sendable, CaseIterable {
        /// Look up the billing of one account at a time.
        case billingRead = "billing:read"
        /// Stream the billing of many accounts.
        case billingExport = "billing:export"
    }

    package let name: String
    package let scopes: Set<Scope>

    package init(name: String, scopes: Set<Scope>) {
        self.name = name
        self.scopes = scopes
    }

    /// - Throws: `scopeMissing` if the caller may not do that.
    package func require(_ scope: Scope) throws(BillingFailure) {
        guard scopes.contains(scope) else { throw .scopeMissing(scope) }
    }
}
