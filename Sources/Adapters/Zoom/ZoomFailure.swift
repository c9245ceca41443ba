import Domain

/// How a call to Zoom can end badly, before it is said in the domain's words.
package enum ZoomFailure: Error, Sendable, Equatable {
    /// Zoom answered with an error. Read from the body first, since the same codes come with different statuses.
    case api(status: Int, code: Int?, message: String, retryAfter: Duration?)
    /// No whole answer came.
    case transport(HTTPFailure)
    /// The answer is not what its operation answers.
    case unreadable
    /// What answered is not Zoom's API, or not its token endpoint.
    case misaddressed(ZoomAddressFault)
    /// There is no token, since Zoom's token endpoint failed like this; it is not asked again for so long.
    indirect case token(ZoomFailure, wait: Duration)
    /// Our own pace leaves no room soon enough.
    case rateLimited(wait: Duration)
    /// Nothing is left of the day; it ends after so long.
    case dailyQuotaSpent(wait: Duration)
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
        case .rateLimited(let wait): .rateLimited(retryAfter: wait)
        case .dailyQuotaSpent(let wait): .dailyQuotaSpent(retryAfter: wait)
        case .unavailable(let wait): .sourceUnavailable(retryAfter: wait)
        case .unreadable: .sourceFailed
        case .token(.api(429, _, _, _), let wait): .rateLimited(retryAfter: wait)
        case .token(.api(503, _, _, _?), let wait): .sourceUnavailable(retryAfter: wait)
        case .token(let failure, _): failure.billingFailure(account: nil)
        case .transport(.timedOut): .timedOut
        case .transport(.cancelled): .cancelled
        case .transport: .sourceFailed
        case .api(_, let code, let message, _) where Self.deniesAccount(code: code, message: message):
            account.map { .accountNotFound($0) } ?? .sourceFailed
        case .api where isTokenRefused: .credentialsRefused
        case .api(_, 429, _, let retryAfter), .api(429, _, _, let retryAfter):
            .rateLimited(retryAfter: retryAfter ?? .seconds(1))
        // The master account may not use the Billing API (Zoom: general error codes).
        case .api(_, 4700, _, _), .api(_, 4711, _, _), .api(_, 4717, _, _), .api(_, 200, _, _): .credentialsRefused
        case .api(_, 300, _, _), .api(_, 2100, _, _): .sourceRejected
        case .api(401, _, _, _), .api(403, _, _, _): .credentialsRefused
        // Zoom says when it can answer again.
        case .api(503, _, _, let retryAfter?): .sourceUnavailable(retryAfter: retryAfter)
        case .api, .misaddressed:
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
        case 124: message.lowercased().hasPrefix("account does not exist")
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

    /// Zoom does not know the token (any more): a new one may help. The code decides, and the status only where there is
    /// none that is known: the same refusal comes with 401, 400 and 200.
    var isTokenRefused: Bool {
        guard case .api(let status, let code, let message, _) = self else { return false }
        switch code {
        case 124: return !Self.deniesAccount(code: code, message: message)
        case 4738, 4741: return true
        case 4700, 4711: return !isScopeMissing && code == 4700
        // What Zoom says of accounts, parameters and rates.
        case 300, 429, (1000..<4000)?: return false
        case 200, 201, nil: return status == 401 || Self.refusesToken(message)
        default: return status == 401
        }
    }

    /// Where the code is none of a token's, Zoom's text may still be.
    private static func refusesToken(_ message: String) -> Bool {
        let folded = message.lowercased()
        return folded.hasPrefix("invalid access token") || folded.hasPrefix("access token is expired")
    }

    /// Zoom answers the request, whatever the status: its code says so.
    private var isAnswerByCode: Bool {
        guard case .api(_, let code, let message, _) = self else { return false }
        return switch code {
        case nil, 0: isTokenRefused
        case 124, 200, 201, 300, 429, (1000..<5000)?: true
        default: Self.deniesAccount(code: code, message: message)
        }
    }

    /// Zoom says that the token lacks a scope (Zoom: general error codes).
    var isScopeMissing: Bool {
        switch self {
        case .api(_, 4711, _, _): true
        case .api(_, 4700, let message, _): message.lowercased().contains("does not contain scopes")
        case .api, .transport, .unreadable, .misaddressed, .token, .rateLimited, .dailyQuotaSpent, .unavailable,
            .credentials,
            .scopesMissing:
            false
        }
    }

    /// The same, met while a token was asked for, which is not done again for so long. Credentials that are refused, and a
    /// caller that gave up, are what they are.
    func atTokenEndpoint(wait: Duration) -> ZoomFailure {
        switch self {
        case .api, .transport, .unreadable, .misaddressed:
            self == .transport(.cancelled) ? self : .token(self, wait: wait)
        case .token(let failure, _): .token(failure, wait: wait)
        case .rateLimited, .dailyQuotaSpent, .unavailable, .credentials, .scopesMissing: self
        }
    }

    /// For how long Zoom asks not to be asked.
    var retryAfter: Duration? {
        switch self {
        case .api(_, _, _, let retryAfter): retryAfter
        case .token(_, let wait): wait
        case .transport, .unreadable, .misaddressed, .rateLimited, .dailyQuotaSpent, .unavailable, .credentials,
            .scopesMissing:
            nil
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
        // A new one was refused as well: another replica's may have ended it.
        case .api where isTokenRefused: .again(after: nil)
        case .api(_, 429, _, let retryAfter), .api(429, _, _, let retryAfter): .again(after: retryAfter)
        case .api where isAnswerByCode: .none
        case .api(503, _, _, let retryAfter): .again(after: retryAfter)
        case .api(500, _, _, _), .api(502, _, _, _), .api(504, _, _, _): .again(after: nil)
        // A gateway's page may pass; a path that is not there and a redirect stay.
        case .unreadable, .misaddressed(.page(200)): .again(after: nil)
        case .transport(.cancelled), .transport(.timedOut): .none
        case .transport: .again(after: nil)
        case .token(let failure, let wait):
            switch failure.remedyForRead(isPatient: isPatient) {
            case .again: .again(after: wait)
            case .none: .none
            }
        case .api, .misaddressed, .rateLimited, .dailyQuotaSpent, .unavailable, .credentials, .scopesMissing: .none
        }
    }

    /// What it says of Zoom itself, rather than of what was asked, how often, or of one answer.
    var evidence: ZoomCircuits.Evidence {
        switch self {
        case .api where isAnswerByCode: .answered
        case .api(503, _, _, let retryAfter?): .unavailable(for: retryAfter)
        case .api(let status, _, _, _): status >= 500 ? .requestFailed : .answered
        case .misaddressed: .answered
        case .transport(.notConnected(let failure)): failure.isOurs ? .nothing : .unreachable
        case .transport(.connectionLost), .transport(.unprocessed): .connectionLost
        case .transport(.timedOut), .transport(.resetByPeer): .requestFailed
        case .transport(.cancelled), .transport(.tooLarge), .transport(.malformed), .unreadable: .nothing
        case .token, .rateLimited, .dailyQuotaSpent, .unavailable, .credentials, .scopesMissing: .nothing
        }
    }
}
