/// Sends changes of accounts to the source.
package protocol AccountWriter: Sendable {
    /// Sends a change once. It is sent again only if the source provably did not process it.
    ///
    /// - Parameters:
    ///   - master: The master account of the sub account; `nil` for the only one.
    ///   - willSend: Called when the request has a permit and an access token, before its first byte leaves. If it throws,
    ///     nothing is sent. It may be called again before a second attempt.
    func send(
        _ write: AccountWrite, under master: Name?, for purpose: Purpose,
        willSend: @escaping @Sendable () async throws(BillingFailure) -> Void
    ) async -> WriteReport

    /// Checks what can be checked without sending the change: the scopes of our credentials, the rate limit and the circuit
    /// breaker.
    ///
    /// - Throws: `permissionMissing`, `credentialsRefused`, `rateLimited`, `dailyQuotaSpent`, `sourceUnavailable`,
    ///   `sourceFailed`, `timedOut`, `cancelled`.
    func check(_ write: AccountWrite, under master: Name?, for purpose: Purpose) async throws(BillingFailure)

    /// The plans of an account now, never from a cache.
    ///
    /// - Throws: as `BillingSource.answer`.
    func plans(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountPlans
}

/// The result of sending a change.
package struct WriteReport: Sendable, Equatable {
    package enum Result: Sendable, Equatable {
        /// The source answered: the change took effect, or it was refused.
        case answered(WriteOutcome)
        /// The request may have reached the source, and no answer states its outcome.
        case unknown
        /// The source did not process the change, so it may be sent later.
        case notSent(BillingFailure)
    }

    package let result: Result

    /// The source's identifier of the exchange, for its support (Zoom: `x-zm-trackingid`); `nil` without an answer.
    package let trackingID: String?

    package init(_ result: Result, trackingID: String? = nil) {
        self.result = result
        self.trackingID = trackingID
    }
}
