/// Looks up the billing contact of one account for a caller.
package struct LookUpContact: Sendable {
    private let source: any ContactSource
    private let time: any TimeSource

    package init(source: any ContactSource, time: any TimeSource) {
        self.source = source
        self.time = time
    }

    /// - Throws: `scopeMissing`, `selfPay`, `accountNotFound` also for the alias of the master itself, and what `ContactSource` throws.
    package func callAsFunction(
        _ account: AccountID, for caller: Caller
    ) async throws(BillingFailure) -> DatedContact {
        try caller.require(.billingRead)
        guard !account.isMasterAlias else { throw .accountNotFound(account) }
        let billing = try await source.billing(of: account, for: .interactive)
        return DatedContact(contact: try billing.visibleContact(), asOf: time.timestamp)
    }
}
