package import Domain

/// Every way in which a call to Zoom can fail. `billingFailure` translates it for the domain.
///
/// Indirect, as `BillingFailure` is, so that it has the size of a reference.
package indirect enum ZoomFailure: Error, Sendable, Equatable {
    /// Zoom answered with an error. The code counts more than the status, since the same code comes with several statuses.
    case api(status: Int, code: Int?, message: String, retryAfter: Duration?)
    /// No complete answer arrived.
    case transport(HTTPFailure)
    /// The answer does not have the form that the operation documents.
    case unreadable
    /// The file of an invoice cannot be passed on.
    ///
    /// - Parameter location: Where Zoom redirects to: scheme, host and port, for logs; `nil` without a redirect.
    case unusableFile(BillingFailure.InvoiceFileProblem, location: String?)
    /// The address is not that of Zoom's API or token endpoint.
    case misaddressed(ZoomAddressFault)
    /// There is no access token, since the token endpoint failed. The next request for a token is sent after `wait`.
    case token(ZoomFailure, wait: Duration)
    /// The request would wait too long for a permit of the rate limiter, or the account is paused.
    case rateLimited(wait: Duration)
    /// The daily quota is spent. The next day begins after `wait`.
    case dailyQuotaSpent(wait: Duration)
    /// The quota of the operation for one account is spent. It permits the next request after `wait`.
    case quotaSpent(wait: Duration)
    /// The circuit breaker is open: no request is sent for this time.
    case unavailable(wait: Duration)
    /// There are no usable credentials, or the token endpoint refuses them.
    case credentials(CredentialsFault)
    /// The access token has none of these scopes. Any one would do.
    case scopesMissing([String])
    /// A write was stopped before it was sent.
    case stopped(BillingFailure)

    /// The failure in the domain's terms.
    ///
    /// - Parameters:
    ///   - request: The request that failed.
    ///   - answerBytesMax: The limit of its answer.
    func billingFailure(to request: ZoomRequest, answerBytesMax: Int) -> BillingFailure {
        switch self {
        case .credentials: .credentialsRefused
        case .scopesMissing(let scopes): .permissionMissing(anyOf: scopes)
        case .stopped(let failure): failure
        case .rateLimited(let wait): .rateLimited(retryAfter: wait)
        case .dailyQuotaSpent(let wait): .dailyQuotaSpent(retryAfter: wait)
        case .quotaSpent(let wait): .accountQuotaSpent(request.endpoint.operation, retryAfter: wait)
        case .unavailable(let wait): .sourceUnavailable(retryAfter: wait)
        case .unreadable: .sourceFailed
        case .unusableFile(let problem, _): .invoiceFileUnusable(problem)
        case .token(.api(429, _, _, _), let wait): .rateLimited(retryAfter: wait)
        case .token(.api(503, _, _, _?), let wait): .sourceUnavailable(retryAfter: wait)
        // A large answer of the token endpoint is no token.
        case .token(.transport(.tooLarge), _): .sourceFailed
        case .token(let failure, _): failure.billingFailure(to: request, answerBytesMax: answerBytesMax)
        case .transport(.timedOut): .timedOut
        case .transport(.cancelled): .cancelled
        case .transport(.tooLarge): .answerTooLarge(limit: answerBytesMax)
        case .transport: .sourceFailed
        case .api(_, let code, let message, _) where Self.isUnknownAccount(code: code, message: message):
            request.account.map { .accountNotFound($0) } ?? .sourceFailed
        case .api where isSelfPay: .selfPay
        case .api where isTokenRefused: .credentialsRefused
        case .api(_, 429, _, let retryAfter), .api(429, _, _, let retryAfter):
            .rateLimited(retryAfter: retryAfter ?? .seconds(1))
        // The master account may not use the Billing API (Zoom: general error codes).
        case .api(_, 4700, _, _), .api(_, 4711, _, _), .api(_, 4717, _, _), .api(_, 200, _, _): .credentialsRefused
        case .api(_, 300, _, _), .api(_, 2100, _, _): .sourceRejected
        case .api(401, _, _, _), .api(403, _, _, _): .credentialsRefused
        // Zoom states when it expects to answer again.
        case .api(503, _, _, let retryAfter?): .sourceUnavailable(retryAfter: retryAfter)
        case .api, .misaddressed:
            switch ZoomRetryPolicy.read.decision(after: self, retriesTimeouts: true) {
            case .retry: .sourceFailed
            case .fail: .sourceRejected
            }
        }
    }

    /// Whether Zoom does not know the account: codes 2001 and 1001, and 124 with a text about the account (Zoom: general error
    /// codes).
    static func isUnknownAccount(code: Int?, message: String) -> Bool {
        switch code {
        case 2001, 1001: true
        case 124: message.lowercased().hasPrefix("account does not exist")
        default: false
        }
    }

    /// Whether the sub account pays for itself. Code 2100 has many meanings, so the text decides. Zoom's pages differ in case
    /// and apostrophes, so neither counts.
    var isSelfPay: Bool {
        guard case .api(_, 2100, let message, _) = self else { return false }
        let folded = message.lowercased()
        return folded.contains("self pay") || folded.contains("paid by self")
    }

    /// Whether the account has no paid plan (Zoom: Get plan usage).
    var isFreeAccount: Bool {
        guard case .api(_, 200, let message, _) = self else { return false }
        return message.lowercased().hasPrefix("only available for paid account")
    }

    /// Whether Zoom does not know what the path names, if that is not the account.
    var isUnknownResource: Bool {
        guard case .api(404, let code?, let message, _) = self, code != 0 else { return false }
        return !isTokenRefused && !Self.isUnknownAccount(code: code, message: message)
    }

    /// Whether Zoom refused the access token, so that a new one may help. The code decides, since the same refusal comes with
    /// 401, 400 and 200. The status decides only if the code is unknown or absent.
    var isTokenRefused: Bool {
        guard case .api(let status, let code, let message, _) = self else { return false }
        switch code {
        case 124: return !Self.isUnknownAccount(code: code, message: message)
        case 4738, 4741: return true
        case 4700, 4711: return !isScopeMissing && code == 4700
        // Codes about accounts, parameters and rate limits.
        case 300, 429, (1000..<4000)?: return false
        case 200, 201, nil: return status == 401 || Self.refusesToken(message)
        default: return status == 401
        }
    }

    /// The text of a refused token, for codes that say nothing about tokens.
    private static func refusesToken(_ message: String) -> Bool {
        let folded = message.lowercased()
        return folded.hasPrefix("invalid access token") || folded.hasPrefix("access token is expired")
    }

    /// Whether the answer has an error code of Zoom's. Gateways answer without one, whatever the status.
    var hasZoomErrorCode: Bool {
        guard case .api(_, let code, let message, _) = self else { return false }
        return switch code {
        case nil, 0: isTokenRefused
        case 124, 200, 201, 300, 429, (1000..<5000)?: true
        default: Self.isUnknownAccount(code: code, message: message)
        }
    }

    /// Whether the access token lacks a scope (Zoom: general error codes).
    var isScopeMissing: Bool {
        switch self {
        case .api(_, 4711, _, _): true
        case .api(_, 4700, let message, _): message.lowercased().contains("does not contain scopes")
        case .api, .transport, .unreadable, .unusableFile, .misaddressed, .token, .rateLimited, .dailyQuotaSpent,
            .quotaSpent, .unavailable, .credentials, .scopesMissing, .stopped:
            false
        }
    }

    /// Turns a failure of the token endpoint into the failure of a call that needs a token. Refused credentials and a
    /// cancelled request do not change.
    ///
    /// - Parameter wait: The time until the next request for a token.
    func atTokenEndpoint(wait: Duration) -> ZoomFailure {
        switch self {
        case .api, .transport, .unreadable, .misaddressed:
            self == .transport(.cancelled) ? self : .token(self, wait: wait)
        case .token(let failure, _): .token(failure, wait: wait)
        case .unusableFile, .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable, .credentials, .scopesMissing,
            .stopped:
            self
        }
    }

    /// How long to wait before the next request, if Zoom states it.
    var retryAfter: Duration? {
        switch self {
        case .api(_, _, _, let retryAfter): retryAfter
        case .token(_, let wait): wait
        case .transport, .unreadable, .unusableFile, .misaddressed, .rateLimited, .dailyQuotaSpent, .quotaSpent,
            .unavailable, .credentials, .scopesMissing, .stopped:
            nil
        }
    }

    /// What the failure shows about the state of Zoom, for the circuit breaker.
    var evidence: ZoomCircuits.Evidence {
        switch self {
        case .api where hasZoomErrorCode: .answered
        case .api(503, _, _, let retryAfter?): .unavailable(for: retryAfter)
        case .api(let status, _, _, _): status >= 500 ? .requestFailed : .answered
        case .misaddressed, .unusableFile: .answered
        case .transport(.notConnected(let failure)): failure.isOurs ? .nothing : .unreachable
        case .transport(.connectionLost), .transport(.unprocessed): .connectionLost
        case .transport(.timedOut), .transport(.resetByPeer): .requestFailed
        case .transport(.cancelled), .transport(.tooLarge), .transport(.malformed), .unreadable: .nothing
        case .token, .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable, .credentials, .scopesMissing, .stopped:
            .nothing
        }
    }

    /// Whether Zoom answered, and not another server at its address.
    var isAnswerByZoom: Bool {
        if case .misaddressed = self { return false }
        return evidence == .answered
    }

    /// Whether the request provably was not processed, so that it may be sent again whatever its method.
    var isUnprocessed: Bool {
        if case .transport(let failure) = self { failure.isUnprocessed } else { false }
    }

    /// Whether Zoom did not count the request against the quota of its operation and account: it was not processed, or Zoom
    /// refused it before that, for its token or a rate limit.
    var isUncounted: Bool {
        switch self {
        case .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable, .token, .credentials, .scopesMissing, .stopped:
            true
        case .api(429, _, _, _): true
        case .api: isTokenRefused || isScopeMissing
        case .transport: isUnprocessed
        case .unreadable, .unusableFile, .misaddressed: false
        }
    }

    /// Whether the connection failed, so that another connection may help.
    var isConnectionFault: Bool { isUnprocessed || self == .transport(.connectionLost) }

    /// The failure for logs: status and code, but never Zoom's text, which may repeat what was sent.
    var reason: String {
        switch self {
        case .api(let status, let code, _, _): "status \(status), code \(code.map(String.init) ?? "none")"
        case .transport(let failure): "\(failure)"
        case .unreadable: "unreadable answer"
        case .unusableFile(let problem, let location): Self.reason(problem, location)
        case .misaddressed(let fault): fault.reason
        case .token(let failure, _): "no access token: \(failure.reason)"
        case .rateLimited: "own rate limit"
        case .dailyQuotaSpent: "daily quota spent"
        case .quotaSpent: "quota of the account spent"
        case .unavailable: "circuit breaker open"
        case .credentials(let fault): "credentials: \(fault.rawValue)"
        case .scopesMissing(let scopes): "none of the scopes \(scopes.joined(separator: ", "))"
        case .stopped: "stopped before it was sent"
        }
    }

    private static func reason(_ problem: BillingFailure.InvoiceFileProblem, _ location: String?) -> String {
        let target = location ?? "an address that cannot be read"
        return switch problem {
        case .notPDF: "answers with a file that is not a PDF"
        case .compressed: "answers with a compressed file, which was not accepted"
        case .redirectFailed: "redirects to \(target), which does not answer with a file"
        case .redirectRefused(.malformed): "redirects to \(target)"
        case .redirectRefused(.notEncrypted): "redirects to \(target), which is not encrypted"
        case .redirectRefused(.forbiddenHost): "redirects to \(target), which is not an allowed host"
        case .redirectRefused(.repeated): "redirects to \(target), which redirects again"
        }
    }
}
