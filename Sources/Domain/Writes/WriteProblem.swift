/// Why a change was not made, or why its outcome is unknown.
package enum WriteProblem: Sendable, Equatable {
    /// The state of the account does not permit the change. All reasons are listed.
    case notPossible([BillingFailure.Violation])
    /// The source refused the change.
    case refused(SourceRefusal)
    /// The request may have reached the source, and no answer states its outcome. The read `shownBy` of the operation's
    /// rules shows it.
    case outcomeUnknown(Operation, AccountID)
    /// The request needs an idempotency key.
    case keyMissing
    /// The key belongs to another request of the caller.
    case keyReused
    /// The request with this key is running.
    case keyInUse
    /// The caller has no request with this key.
    case keyNotFound
    /// Another change of the account was running for as long as the request could wait.
    case accountBusy
    /// The account has changed since the caller read it.
    case preconditionFailed
    /// The store of keys cannot promise that a key survives, and the service is set to require that.
    case storeNotDurable
    /// The request must name the state of the account that it changes.
    case preconditionMissing
}
