/// Reads one account for a caller: the cached answer, or the source's.
package struct ReadAccount: Sendable {
    private let cache: BillingCache

    package init(cache: BillingCache) {
        self.cache = cache
    }

    /// The cached answer, without waiting; `nil` if it takes a request to the source.
    ///
    /// - Throws: `scopeMissing`; `accountNotFound`, also for an account outside the caller's allow-list.
    package func cached(
        _ read: AccountRead, for caller: Caller, directives: CacheDirectives = .none, at now: Moment
    ) throws(BillingFailure) -> CacheEntry? {
        try Self.check(read, caller)
        return cache.cached(read, under: caller.master, directives: directives, at: now)
    }

    /// The cached answer to a read without a parameter, if its response is prepared and it needs no attention. Otherwise
    /// `nil`, and the other methods decide.
    ///
    /// - Parameters:
    ///   - account: The bytes of the account's id, which may be invalid.
    ///   - maxAge: The maximum age that the request permits.
    package func prepared(
        _ operation: Operation, of account: Span<UInt8>, for caller: PreparedCaller, maxAge: Duration? = nil,
        at now: Moment
    ) -> CacheEntry? {
        guard caller.mayRequest(operation) else { return nil }
        return cache.prepared(operation, of: account, for: caller, maxAge: maxAge, at: now)
    }

    /// The cached answer, or the source's.
    ///
    /// - Parameter queueTimeout: The maximum time in the queue for a permit; `nil` for the default.
    /// - Throws: `scopeMissing`, `accountNotFound` for an account outside the caller's allow-list, `notCached`, and the errors
    ///   of `BillingSource`. A failure that can be cached, such as self pay, is returned as an entry with that failure.
    package func callAsFunction(
        _ read: AccountRead, for caller: Caller, queueTimeout: Duration? = nil, directives: CacheDirectives = .none
    ) async throws(BillingFailure) -> CacheEntry {
        try Self.check(read, caller)
        return try await cache.entry(
            for: read, under: caller.master, for: .interactive(for: caller.name, queueTimeout: queueTimeout),
            directives: directives)
    }

    private static func check(_ read: AccountRead, _ caller: Caller) throws(BillingFailure) {
        try caller.require(read.operation.rules.callerScope)
        try caller.requireAccess(to: read.account)
    }
}
