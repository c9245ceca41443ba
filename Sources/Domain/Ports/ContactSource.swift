/// Who is asked for the billing of one account.
package protocol ContactSource: Sendable {
    /// - Parameter master: Whose sub account it is; `nil` for the only master there is.
    /// - Throws: `accountNotFound`, `budgetSpent`, `dailyQuotaSpent`, `sourceUnavailable`, `permissionMissing`,
    ///   `credentialsRefused` also where there is no such master or more than one to choose from, `sourceFailed`,
    ///   `sourceRejected`,
    ///   `timedOut`, `cancelled`. That an account pays for itself is an answer, not a
    ///   failure.
    func billing(
        of account: AccountID, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> AccountBilling

    /// Whether requests wait for a permit of the rate limiter now.
    func hasQueuedRequests(under master: Name?) -> Bool
}

/// What a request to the source is for: its priority, and the longest time it may wait for a permit.
package struct Purpose: Sendable, Equatable {
    /// The priority of a request, lowest first.
    package enum Priority: Sendable, Equatable, Comparable {
        /// Nobody waits for the answer: a cached one is revalidated.
        case background
        /// A job that asks for many accounts.
        case bulk
        /// A caller waits for the answer.
        case interactive
    }

    package let priority: Priority

    /// The caller that waits, if one does.
    package let caller: Name?

    /// The longest time in the queue for a permit. `nil` is the source's default for an interactive request, and no limit
    /// for a bulk request.
    package let queueTimeout: Duration?

    /// The job repeats a lookup that failed: another failure says no more about the source than the first one did.
    package let isRetry: Bool

    private init(_ priority: Priority, caller: Name?, queueTimeout: Duration?, isRetry: Bool = false) {
        self.priority = priority
        self.caller = caller
        self.queueTimeout = queueTimeout
        self.isRetry = isRetry
    }

    /// The same request with another queueTimeout.
    package func waiting(atMost queueTimeout: Duration) -> Purpose {
        Purpose(priority, caller: caller, queueTimeout: queueTimeout, isRetry: isRetry)
    }

    package static let bulk = bulk()

    /// A single attempt of a job, which repeats it itself if it fails.
    package static func bulk(queueTimeout: Duration? = nil, isRetry: Bool = false) -> Purpose {
        Purpose(.bulk, caller: nil, queueTimeout: queueTimeout, isRetry: isRetry)
    }

    /// - Parameter queueTimeout: The longest time in the queue; bulk requests go first.
    package static func background(queueTimeout: Duration) -> Purpose {
        Purpose(.background, caller: nil, queueTimeout: queueTimeout)
    }

    package static func interactive(for caller: Name?, queueTimeout: Duration? = nil) -> Purpose {
        Purpose(.interactive, caller: caller, queueTimeout: queueTimeout)
    }
}
