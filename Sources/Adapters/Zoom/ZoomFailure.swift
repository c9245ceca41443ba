import Domain

/// How a call to Zoom can end badly, before it is said in the domain's words.
package enum ZoomFailure: Error, Sendable, Equatable {
    /// Zoom answered with an error. Read from the body first, since the same codes come with different statuses.
    case api(status: Int, code: Int?, message: String, retryAfter: Duration?)
    /// No whole answer came.
    case transport(HTTPFailure)
    /// The answer is not what its operation answers.
    case unreadable
    /// Our own pace leaves no room soon enough.
    case paced(wait: Duration)
    /// Nothing is left of the day; it ends after so long.
    case dayOver(wait: Duration)
    /// Zoom failed again and again, and is not asked for so long.
    case unavailable(wait: Duration)
    /// There are no credentials to be used, or Zoom's token endpoint refuses them.
    case credentials(CredentialsFault)
    /// The token permits none of these scopes, any one of which is needed.
    case scopesMissing([String])

    /// What the failure means for whoever asked about `account`.
    func billingFailure(account: AccountID?) -> BillingFailure {
        switch self {
        case .credentials: .credentialsRefused
        case .scopesMissing(let scopes): .permissionMissing(anyOf: scopes)
        case .paced(let wait): .budgetSpent(retryAfter: wait)
        case .dayOver(let wait): .dayBudgetSpent(retryAfter: wait)
        case .unavailable(let wait): .sourceUnavailable(retryAfter: wait)
        case .unreadable: .sourceFailed
        case .transport(.timedOut): .timedOut
        case .transport(.cancelled): .cancelled
        case .transport: .sourceFailed
        case .api(_, let code, let message, _) where Self.deniesAccount(code: code, message: message):
            account.map { .accountNotFound($0) } ?? .sourceFailed
        case .api(429, _, _, let retryAfter): .budgetSpent(retryAfter: retryAfter ?? .seconds(1))
        case .api(401, _, _, _), .api(403, _, _, _): .credentialsRefused
        // The master account may not use the Billing API (Zoom: general error codes).
        case .api(_, 4700, _, _), .api(_, 4711, _, _), .api(_, 200, _, _): .credentialsRefused
        // Zoom says when it can answer again.
        case .api(503, _, _, let retryAfter?): .sourceUnavailable(retryAfter: retryAfter)
        case .api:
            switch remedyForRead(isPatient: true) {
            case .again: .sourceFailed
            case .none: .sourceRejected
            }
        }
    }

    /// 2001 and 1001, and 124 where it is no matter of the token (Zoom: general error codes).
    static func deniesAccount(code: Int?, message: String) -> Bool {
        switch code {
        case 2001, 1001: true
        case 124: message.hasPrefix("Account does not exist")
        default: false
        }
    }

    /// The code 2100 means many things; these texts mean that the sub account pays for itself. Apostrophes and case
    /// have been seen to differ from page to page, so neither counts.
    var isSelfPay: Bool {
        guard case .api(_, 2100, let message, _) = self else { return false }
        let folded = message.lowercased()
        return folded.contains("self pay") || folded.contains("paid by self")
    }

    /// Zoom does not know the token (any more): a new one may help.
    var isTokenRefused: Bool {
        guard case .api(401, let code, let message, _) = self else { return false }
        return !Self.deniesAccount(code: code, message: message)
    }

    /// Zoom says that the token lacks a scope (Zoom: general error codes).
    var isScopeMissing: Bool {
        switch self {
        case .api(_, 4711, _, _): true
        case .api(_, 4700, let message, _): message.lowercased().contains("does not contain scopes")
        case .api, .transport, .unreadable, .paced, .dayOver, .unavailable, .credentials, .scopesMissing: false
        }
    }

    /// What is to be done about it besides telling whoever asked.
    enum Remedy: Sendable, Equatable {
        /// Asking again may help, after so long if Zoom says so. Reading twice does no harm.
        case again(after: Duration?)
        case none
    }

    /// A read is tried again after a lost connection, too many requests, what gateways and busy servers answer, and an answer
    /// nobody can read.
    ///
    /// - Parameter isPatient: Whoever asked has time even for what has taken all the time that a call may.
    func remedyForRead(isPatient: Bool) -> Remedy {
        switch self {
        case .transport(.timedOut) where isPatient: .again(after: nil)
        case .api(429, _, _, let retryAfter), .api(503, _, _, let retryAfter): .again(after: retryAfter)
        case .api(500, _, _, _), .api(502, _, _, _), .api(504, _, _, _): .again(after: nil)
        case .unreadable: .again(after: nil)
        case .transport(.cancelled), .transport(.timedOut): .none
        case .transport: .again(after: nil)
        // A new one was refused as well: another replica's may have ended it.
        case .api where isTokenRefused: .again(after: nil)
        case .api, .paced, .dayOver, .unavailable, .credentials, .scopesMissing: .none
        }
    }

    /// What it says of Zoom itself, rather than of what was asked or how often.
    var outcome: Circuit.Outcome {
        switch self {
        case .api(let status, _, _, _): status >= 500 ? .failed : .answered
        case .unreadable: .failed
        case .transport(let failure): failure == .cancelled ? .unknown : .failed
        case .paced, .dayOver, .unavailable, .credentials, .scopesMissing: .unknown
        }
    }
}
