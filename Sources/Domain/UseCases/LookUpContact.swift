/// Looks up the billing contact of one account for a caller.
package struct LookUpContact: Sendable {
    private let cache: BillingCache

    package init(cache: BillingCache) {
        self.cache = cache
    }

    /// What is kept of the account, if that will do: for those who would rather not wait. `nil` if the source has to be
    /// asked.
    ///
    /// - Throws: `scopeMissing`, `accountNotFound` also for what is not the caller's to ask about.
    package func cached(
        _ account: AccountID, for caller: Caller, _ demand: CacheDirectives = .none, at now: Moment
    ) throws(BillingFailure) -> CacheEntry? {
        try Self.check(account, caller)
        return cache.cached(account, under: caller.master, demand, at: now)
    }

    /// - Parameter queueTimeout: How long the caller cares to wait for its turn; `nil` for as long as is usual.
    /// - Throws: `scopeMissing`, `accountNotFound` for what is not the caller's to ask about, `notKept`, and what
    ///   `ContactSource` throws. That an account pays for itself or does not exist is an answer.
    package func callAsFunction(
        _ account: AccountID, for caller: Caller, queueTimeout: Duration? = nil, _ demand: CacheDirectives = .none
    ) async throws(BillingFailure) -> CacheEntry {
        try Self.check(account, caller)
        return try await cache.answer(
            account, under: caller.master, for: .interactive(for: caller.name, queueTimeout: queueTimeout), demand)
    }

    private static func check(_ account: AccountID, _ caller: Caller) throws(BillingFailure) {
        try caller.require(Operation.getBillingInformation.rules.callerScope)
        try caller.requireAccess(to: account)
    }
}
