/// Every way in which a use case can fail. The adapters translate a failure for their clients.
///
/// Indirect, so that it has the size of a reference: every function that waits for an answer keeps room for a failure.
package indirect enum BillingFailure: Error, Sendable, Equatable {
    /// The request breaks rules. All broken rules are listed.
    case invalid([Violation])
    /// The sub account pays for itself, so the master account cannot see its billing.
    case selfPay
    case accountNotFound(AccountID)
    /// The account has no paid plan, so it has no such billing data.
    case accountIsFree
    /// There is no such invoice of the account.
    case invoiceNotFound(InvoiceID)
    /// The caller does not have this scope.
    case scopeMissing(Caller.Scope)
    /// The request would wait for the source's rate limit longer than the caller allows.
    case rateLimited(retryAfter: Duration)
    /// The source's daily quota is spent, except for the part that is reserved for interactive requests.
    case dailyQuotaSpent(retryAfter: Duration)
    /// The source's quota of this operation for one account is spent (`AccountQuota`).
    case accountQuotaSpent(Operation, retryAfter: Duration)
    /// The source refused our credentials, or there are none.
    case credentialsRefused
    /// Our credentials lack a scope of the source. Any one of these would do.
    case permissionMissing(anyOf: [String])
    /// The source failed, or its answer could not be read. A retry may succeed.
    case sourceFailed
    /// The source answered with an error that a retry would meet again.
    case sourceRejected
    /// The source's answer is larger than the limit of the operation, in bytes.
    case answerTooLarge(limit: Int)
    /// The circuit breaker is open: the source failed repeatedly, and no request is sent for a while.
    case sourceUnavailable(retryAfter: Duration)
    /// The source did not answer in time.
    case timedOut
    /// No suitable cached answer exists, and the caller asked for cached answers only.
    case notCached
    /// The source's list of accounts cannot be read to its end.
    case accountListUnusable(AccountListProblem)
    /// The source's file of an invoice cannot be passed on.
    case invoiceFileUnusable(InvoiceFileProblem)
    /// The store of idempotency keys cannot record a write, so the write was not sent.
    case stateUnavailable
    /// A change was not made, or its outcome is unknown.
    case write(WriteProblem)
    /// The changes before this moment are not all recorded, in milliseconds since 1970; `nil` if another replica has issued the
    /// moment of the request.
    case changesUnknown(before: Int64?)
    /// The caller has gone, or the service is shutting down.
    case cancelled

    /// Why a list of accounts cannot be read to its end.
    package enum AccountListProblem: Sendable, Equatable {
        /// A page names a next page that was read before, so following it would never end.
        case repeatedPage
        /// This many consecutive pages, each with a new token, had no account that was not on an earlier page.
        case nothingNew(pages: Int)
        /// There are more pages than the stated number of accounts can fill; `nil` if the source states none.
        case tooManyPages(Int, accounts: Int?)
        /// Accounts came and went during each of this many attempts to read the list.
        case changing(attempts: Int)
        /// The token of the next page was refused as expired in each of this many attempts to read the list.
        case expiringTokens(attempts: Int)
    }

    /// Why the file of an invoice cannot be passed on.
    package enum InvoiceFileProblem: Sendable, Equatable {
        /// It does not begin as a PDF file does.
        case notPDF
        /// It is compressed, though no compression was accepted.
        case compressed
        /// The address that the source names does not answer with a file.
        case redirectFailed
        /// The source names another address for the file, to which no request is sent.
        case redirectRefused(RedirectProblem)
    }

    /// Why no request is sent to the address that the source names.
    package enum RedirectProblem: Error, Sendable, Equatable {
        /// It cannot be read, or contains a user name.
        case malformed
        /// It is not encrypted.
        case notEncrypted
        /// The configuration does not allow its host.
        case forbiddenHost
        /// The source was redirected before.
        case repeated
    }

    /// A broken rule: the field, and what is wrong with it.
    package struct Violation: Sendable, Equatable, CustomStringConvertible {
        package let field: String

        /// Can contain values of the caller, which can be personal data. For this caller only; never for a log.
        package let message: String

        /// The field without the message, so that a failure in a log contains no values.
        package var description: String { field }

        package init(field: String, message: String) {
            self.field = field
            self.message = message
        }
    }
}

extension BillingFailure {
    /// How many lookups a failure affects.
    package enum Reach: Sendable, Equatable {
        /// This account only, and a retry would fail in the same way.
        case account
        /// Every lookup at this moment, but a retry may succeed.
        case moment
        /// Every lookup, until an operator or the caller acts.
        case everything
    }

    /// What is true of every failure of a kind.
    package struct Traits: Sendable, Equatable {
        package let reach: Reach

        /// The failure is an answer about the account and may be cached (self pay, no such account or invoice).
        package var isCacheable = false

        /// A stale cached answer may be served instead (RFC 5861, `stale-if-error`).
        package var allowsStaleAnswer = false
    }

    /// The only place that states these; everything else derives from it.
    package var traits: Traits {
        switch self {
        case .selfPay, .accountNotFound, .accountIsFree, .invoiceNotFound:
            Traits(reach: .account, isCacheable: true)
        case .invalid, .notCached: Traits(reach: .account)
        case .write: Traits(reach: .account)
        case .stateUnavailable: Traits(reach: .moment)
        case .sourceRejected, .answerTooLarge, .accountQuotaSpent, .invoiceFileUnusable:
            Traits(reach: .account, allowsStaleAnswer: true)
        case .rateLimited, .sourceFailed, .sourceUnavailable, .timedOut:
            Traits(reach: .moment, allowsStaleAnswer: true)
        case .dailyQuotaSpent: Traits(reach: .everything, allowsStaleAnswer: true)
        case .scopeMissing, .changesUnknown, .credentialsRefused, .permissionMissing, .accountListUnusable, .cancelled:
            Traits(reach: .everything)
        }
    }
}
