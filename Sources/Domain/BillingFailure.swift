/// Every way a use case can end badly. What each means to a client of the service is its adapter's affair.
package enum BillingFailure: Error, Sendable, Equatable {
    /// A rule of the request was broken; all of them are named.
    case invalid([Violation])
    /// The sub account pays for itself: its billing is not the master's to see.
    case selfPay
    case accountNotFound(AccountID)
    /// The caller may not do that.
    case scopeMissing(Caller.Scope)
    /// The source's request budget is spent for longer than the caller may wait.
    case rateLimited(retryAfter: Duration)
    /// The source's requests of the day are spent, but for those kept for who waits.
    case dailyQuotaSpent(retryAfter: Duration)
    /// The source refused our credentials, or there are none.
    case credentialsRefused
    /// Our credentials lack a permission of the source's for that: any one of these would do.
    case permissionMissing(anyOf: [String])
    /// The source failed, or its answer made no sense. It may answer when it is asked again.
    case sourceFailed
    /// The source answered with an error that it would repeat: trying again does not help.
    case sourceRejected
    /// The source has failed again and again of late, and is left alone for a while.
    case sourceUnavailable(retryAfter: Duration)
    /// The source did not answer in time.
    case timedOut
    /// There is no answer that is kept, and the source was not to be asked.
    case notCached
    /// The source's list of accounts cannot be read to its end.
    case accountListUnusable(AccountListProblem)
    /// Whoever asked has gone, or we are.
    case cancelled

    /// Why a list of accounts cannot be read to its end.
    package enum AccountListProblem: Sendable, Equatable {
        /// A page names a next page that was read before: following it would go round for ever.
        case repeatedPage
        /// So many pages one after another, each with a new token, had no account that was not on an earlier page.
        case nothingNew(pages: Int)
        /// There are more pages than the list can have, with as many accounts as it says; `nil` if it does not.
        case tooManyPages(Int, accounts: Int?)
        /// Accounts came and went in each of so many attempts to read it.
        case changing(attempts: Int)
        /// The token of the next page was refused as too old in each of so many attempts to read it.
        case expiringTokens(attempts: Int)
    }

    /// A broken rule: which field, and what is wrong with it.
    package struct Violation: Sendable, Equatable {
        package let field: String
        package let message: String

        package init(field: String, message: String) {
            self.field = field
            self.message = message
        }
    }

    /// How far a failure reaches.
    package enum Reach: Sendable, Equatable {
        /// It says something of one account, and will say it again.
        case account
        /// It may be gone when asked again.
        case moment
        /// Nothing else will fare better until somebody acts.
        case everything
    }

    package var reach: Reach {
        switch self {
        case .invalid, .selfPay, .accountNotFound, .sourceRejected, .notCached: .account
        case .rateLimited, .sourceFailed, .sourceUnavailable, .timedOut: .moment
        case .scopeMissing, .dailyQuotaSpent, .credentialsRefused, .permissionMissing, .accountListUnusable,
            .cancelled:
            .everything
        }
    }
}
