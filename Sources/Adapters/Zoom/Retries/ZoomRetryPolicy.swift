import Domain

/// Says which failed requests are sent again.
enum ZoomRetryPolicy: Sendable {
    /// A read changes nothing, so a second request does no harm.
    case read

    /// A read of an operation with a quota for each account. It is sent again only if Zoom did not count the request: an
    /// interactive call and a bulk call alike.
    case readWithQuota

    /// A write must not happen twice. It is sent again only if nothing was sent, or if the answer says that Zoom refused to
    /// process the request.
    case write

    init(for endpoint: ZoomEndpoint) {
        if !endpoint.method.isSafe {
            self = .write
        } else {
            self = endpoint.operation.rules.quota == nil ? .read : .readWithQuota
        }
    }

    enum Decision: Sendable, Equatable {
        /// A retry may succeed, at the earliest after this time if Zoom states one.
        case retry(after: Duration?)
        case fail
    }

    /// Whether to send the request again at once, on another connection.
    func reconnects(after failure: ZoomFailure) -> Bool {
        switch self {
        case .read: failure.isConnectionFault
        case .readWithQuota, .write: failure.isUnprocessed
        }
    }

    /// Whether to send a request again whose access token was refused. The status of a write must be a client error, since
    /// only that says that the request was not processed (RFC 9110, 15.5).
    func resendsWithNewToken(after failure: ZoomFailure) -> Bool {
        guard failure.isTokenRefused, case .api(let status, _, _, _) = failure else { return false }
        return switch self {
        case .read, .readWithQuota: true
        case .write: (400..<500).contains(status)
        }
    }

    /// Whether to send the request again with back-off.
    ///
    /// - Parameter retriesTimeouts: The caller has time for another request after one that timed out.
    func decision(after failure: ZoomFailure, retriesTimeouts: Bool) -> Decision {
        switch self {
        case .read: Self.decisionForRead(after: failure, retriesTimeouts: retriesTimeouts)
        case .readWithQuota, .write: decisionIfUnprocessed(after: failure)
        }
    }

    /// A read is sent again after a lost connection, a rate limit, an unreadable answer, and the statuses that gateways and
    /// overloaded servers answer with.
    private static func decisionForRead(after failure: ZoomFailure, retriesTimeouts: Bool) -> Decision {
        switch failure {
        case .transport(.timedOut) where retriesTimeouts: .retry(after: nil)
        // The new token was refused as well: another replica may have ended it.
        case .api where failure.isTokenRefused: .retry(after: nil)
        case .api(_, 429, _, let retryAfter), .api(429, _, _, let retryAfter): .retry(after: retryAfter)
        case .api where failure.hasZoomErrorCode: .fail
        case .api(503, _, _, let retryAfter): .retry(after: retryAfter)
        case .api(500, _, _, _), .api(502, _, _, _), .api(504, _, _, _): .retry(after: nil)
        // A gateway may answer with a page for a while. An unknown path and a redirect stay.
        case .unreadable, .misaddressed(.page(200)): .retry(after: nil)
        // A second answer would be as large.
        case .transport(.cancelled), .transport(.timedOut), .transport(.tooLarge): .fail
        case .transport: .retry(after: nil)
        case .token(let failure, let wait):
            switch decisionForRead(after: failure, retriesTimeouts: retriesTimeouts) {
            case .retry: .retry(after: wait)
            case .fail: .fail
            }
        // Zoom limits downloads to a few a day, so a file is not requested again.
        case .api, .misaddressed, .unusableFile, .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable,
            .credentials,
            .scopesMissing, .stopped:
            .fail
        }
    }

    /// A request that must not be counted or processed twice.
    private func decisionIfUnprocessed(after failure: ZoomFailure) -> Decision {
        switch failure {
        case .api where resendsWithNewToken(after: failure): .retry(after: nil)
        // Too many requests (RFC 6585, 4).
        case .api(429, _, _, let retryAfter): .retry(after: retryAfter)
        case .transport where failure.isUnprocessed: .retry(after: nil)
        // The request for a token failed, so nothing else was sent. A second token does no harm.
        case .token: Self.decisionForRead(after: failure, retriesTimeouts: false)
        case .api, .transport, .unreadable, .unusableFile, .misaddressed, .rateLimited, .dailyQuotaSpent, .quotaSpent,
            .unavailable, .credentials, .scopesMissing, .stopped:
            .fail
        }
    }
}
