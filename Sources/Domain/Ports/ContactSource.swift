/// Who is asked for the billing of one account.
package protocol ContactSource: Sendable {
    /// - Parameter master: Whose sub account it is; `nil` for the only master there is.
    /// - Throws: `accountNotFound`, `budgetSpent`, `dayBudgetSpent`, `sourceUnavailable`, `permissionMissing`,
    ///   `credentialsRefused` also where there is no such master or more than one to choose from, `sourceFailed`,
    ///   `sourceRejected`,
    ///   `timedOut`, `cancelled`. That an account pays for itself is an answer, not a
    ///   failure.
    func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling

    /// Whether requests wait for their turn at this moment, and not for an answer.
    func isPaced(under master: Name?) -> Bool
}

/// What a request to the source is for: its priority, and the longest time it may wait for a permit.
package struct Purpose: Sendable, Equatable {
    /// The priority of a request, lowest first.
    package enum Urgency: Sendable, Equatable, Comparable {
        /// Nobody waits for the answer: a cached one is revalidated.
        case background
        /// A job that asks for many accounts.
        case bulk
        /// A caller waits for the answer.
        case interactive
    }

    package let urgency: Urgency

    /// The caller that waits, if one does.
    package let caller: Name?

    /// The longest time in the queue for a permit. `nil` is the source's default for an interactive request, and no limit
    /// for a bulk request.
    package let patience: Duration?

    /// The job repeats a lookup that failed: another failure says no more about the source than the first one did.
    package let isRetry: Bool

    private init(_ urgency: Urgency, caller: Name?, patience: Duration?, isRetry: Bool = false) {
        self.urgency = urgency
        self.caller = caller
        self.patience = patience
        self.isRetry = isRetry
    }

    /// The same request with another patience.
    package func waiting(atMost patience: Duration) -> Purpose {
        Purpose(urgency, caller: caller, patience: patience, isRetry: isRetry)
    }

    package static let bulk = bulk()

    /// A single attempt of a job, which repeats it itself if it fails.
    package static func bulk(patience: Duration? = nil, isRetry: Bool = false) -> Purpose {
        Purpose(.bulk, caller: nil, patience: patience, isRetry: isRetry)
    }

    /// - Parameter patience: The longest time in the queue; bulk requests go first.
    package static func background(patience: Duration) -> Purpose {
        Purpose(.background, caller: nil, patience: patience)
    }

    package static func interactive(for caller: Name?, patience: Duration? = nil) -> Purpose {
        Purpose(.interactive, caller: caller, patience: patience)
    }
}
