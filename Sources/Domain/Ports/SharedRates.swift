/// The ledgers of the rate limits that replicas share.
package protocol SharedRates: Sendable {
    /// The number of replicas that share the rate limits; `nil` if it was never known.
    var replicas: Int? { get }

    /// Sends a request to the ledger of a rate limit.
    ///
    /// - Parameters:
    ///   - limit: Identifies the rate limit.
    ///   - replyTime: How long to wait for the reply.
    /// - Throws: `stateUnavailable` without a reply. The ledger may have received the request, or may still receive it.
    func take(
        _ request: SlotRequest, of limit: SharedLimit, _ rules: SlotLedger.Rules, within replyTime: Duration
    ) async throws(BillingFailure) -> SlotReply
}

/// Identifies a rate limit: the master account, and the kind of its requests that the limit is for.
package struct SharedLimit: Sendable, Hashable {
    package let master: AccountID
    package let label: String

    package init(master: AccountID, label: String) {
        self.master = master
        self.label = label
    }
}
