/// Who is asked for the billing of one account.
package protocol ContactSource: Sendable {
    /// - Parameter master: Whose sub account it is; `nil` for the only master there is.
    /// - Throws: `accountNotFound`, `budgetSpent`, `credentialsRefused` also where there is no such master or more than
    ///   one to choose from, `sourceFailed`, `timedOut`, `cancelled`. That an account pays for itself is an answer, not a
    ///   failure.
    func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling
}

/// What a request to the source is for: somebody who waits, or a job that takes what is left.
package enum Purpose: Sendable, Equatable {
    case interactive
    case bulk
}
