/// Who is asked for the billing of one account.
package protocol ContactSource: Sendable {
    /// - Parameter master: Whose sub account it is; `nil` for the only master there is.
    /// - Throws: `accountNotFound`, `budgetSpent`, `dayBudgetSpent`, `sourceUnavailable`, `permissionMissing`,
    ///   `credentialsRefused` also where there is no such master or more than one to choose from, `sourceFailed`,
    ///   `timedOut`, `cancelled`. That an account pays for itself is an answer, not a
    ///   failure.
    func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling

    /// Whether requests wait for their turn at this moment, and not for an answer.
    func isPaced(under master: Name?) -> Bool
}

/// What a request to the source is for, and how patient whoever waits for it is.
package struct Purpose: Sendable, Equatable {
    package enum Urgency: Sendable, Equatable {
        /// Somebody waits for the answer.
        case interactive
        /// A job takes what is left.
        case bulk
    }

    package let urgency: Urgency

    /// Who waits.
    package let caller: Name?

    /// How long they care to wait, who waits for an answer for their turn; `nil` for as long as is usual.
    package let patience: Duration?

    private init(_ urgency: Urgency, caller: Name?, patience: Duration?) {
        self.urgency = urgency
        self.caller = caller
        self.patience = patience
    }

    package static let bulk = bulk(patience: nil)

    /// - Parameter patience: How long the job tries to get an answer; for its turn it waits without an end.
    package static func bulk(patience: Duration?) -> Purpose {
        Purpose(.bulk, caller: nil, patience: patience)
    }

    package static func interactive(for caller: Name?, patience: Duration? = nil) -> Purpose {
        Purpose(.interactive, caller: caller, patience: patience)
    }
}
