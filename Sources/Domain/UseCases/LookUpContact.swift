/// Looks up the billing contact of one account for a caller.
package struct LookUpContact: Sendable {
    private let cache: BillingCache

    package init(cache: BillingCache) {
        self.cache = cache
    }

    /// The cached billing contact of an account, without waiting; `nil` if it takes a request to the source.
    ///
    /// - Throws: `scopeMissing`; `accountNotFound`, also for an account outside the caller's allow-list.
    package func cached(
        _ account: AccountID, for caller: Caller, directives: CacheDirectives = .none, at now: Moment
    ) throws(BillingFailure) -> CacheEntry? {
        try Self.check(account, caller)
        return cache.cached(account, under: caller.master, directives: directives, at: now)
    }

    /// The cached billing contact of an account, or the source's.
    ///
    /// - Parameter queueTimeout: The maximum time in the queue for a permit; `nil` for the default.
    /// - Throws: `scopeMissing`, `accountNotFound` for an account outside the caller's allow-list, `notCached`, and the
    ///   errors of `ContactSource`. An account that pays for itself or does not exist is returned as an entry with a
    ///   failure.
    package func callAsFunction(
        _ account: AccountID, for caller: Caller, queueTimeout: Duration? = nil, directives: CacheDirectives = .none
    ) async throws(BillingFailure) -> CacheEntry {
        try Self.check(account, caller)
        return try await cache.entry(
            of: account, under: caller.master, for: .interactive(for: caller.name, queueTimeout: queueTimeout),
            directives: directives)
    }

    private static func check(_ account: AccountID, _ caller: Caller) throws(BillingFailure) {
        try caller.require(Operation.getBillingInformation.rules.callerScope)
        try caller.requireAccess(to: account)
    }
}
