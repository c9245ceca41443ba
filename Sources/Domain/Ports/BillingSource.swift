/// The source of the billing of accounts.
package protocol BillingSource: Sendable {
    /// - Parameter master: The master account of the sub account; `nil` for the only one.
    /// - Throws: `selfPay`, `accountIsFree`, `accountNotFound`, `invoiceNotFound`, `rateLimited`, `dailyQuotaSpent`, `accountQuotaSpent`,
    ///   `sourceUnavailable`, `permissionMissing`, `credentialsRefused` (also if the master account is unknown, or if there are
    ///   several to choose from), `sourceFailed`, `sourceRejected`, `answerTooLarge`, `timedOut`, `cancelled`.
    func answer(
        to read: AccountRead, under master: Name?, for purpose: Purpose
    ) async throws(BillingFailure) -> SourceAnswer

    /// Whether requests for an operation wait for a permit of the rate limiter now.
    func hasQueuedRequests(for operation: Operation, under master: Name?) -> Bool
}

/// The purpose of a request to the source: its priority, and the longest time it may wait for a permit.
package struct Purpose: Sendable, Equatable {
    /// The priority of a request, lowest first.
    package enum Priority: Sendable, Equatable, Comparable {
        /// Revalidates a cached answer. No caller waits for it.
        case background
        /// A job that looks up many accounts.
        case bulk
        /// A caller waits for the answer.
        case interactive
        /// A caller waits for a change.
        case write

        package var isCallerWaiting: Bool { self >= .interactive }
    }

    package let priority: Priority

    /// The caller that waits; `nil` if none does.
    package let caller: Name?

    /// The longest time in the queue for a permit. `nil` is the source's default for an interactive request, and no limit
    /// for a bulk request.
    package let queueTimeout: Duration?

    /// The job repeats a failed lookup. Another failure is no further evidence that the source is failing.
    package let isRetry: Bool

    private init(_ priority: Priority, caller: Name?, queueTimeout: Duration?, isRetry: Bool = false) {
        self.priority = priority
        self.caller = caller
        self.queueTimeout = queueTimeout
        self.isRetry = isRetry
    }

    /// The same purpose with another queue timeout.
    package func waiting(atMost queueTimeout: Duration) -> Purpose {
        Purpose(priority, caller: caller, queueTimeout: queueTimeout, isRetry: isRetry)
    }

    package static let bulk = bulk()

    /// One attempt of a job, which retries it itself if it fails.
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

    package static func write(for caller: Name?, queueTimeout: Duration) -> Purpose {
        Purpose(.write, caller: caller, queueTimeout: queueTimeout)
    }
}
