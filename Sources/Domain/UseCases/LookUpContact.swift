/// Looks up the billing contact of one account for a caller.
package struct LookUpContact: Sendable {
    private let source: any ContactSource
    private let time: any TimeSource

    package init(source: any ContactSource, time: any TimeSource) {
        self.source = source
        self.time = time
    }

    /// - Parameter patience: How long the caller cares to wait for its turn; `nil` for as long as is usual.
    /// - Throws: `scopeMissing`, `selfPay`, `accountNotFound` also for what is not the caller's to ask about, and what
    ///   `ContactSource` throws.
    package func callAsFunction(
        _ account: AccountID, for caller: Caller, patience: Duration? = nil
    ) async throws(BillingFailure) -> DatedContact {
        try caller.require(.billingRead)
        try caller.requireAccess(to: account)
        let billing = try await source.billing(
            of: account, under: caller.master, for: .interactive(for: caller.name, patience: patience))
        return DatedContact(contact: try billing.visibleContact(), asOf: time.timestamp)
    }
}
