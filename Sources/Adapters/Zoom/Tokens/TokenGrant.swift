package import Domain

/// An access token as Zoom's token endpoint grants it (RFC 6749, 5.1).
package struct TokenGrant: Sendable {
    package let accessToken: Secret
    package let lifetime: Duration

    /// `nil` if Zoom does not state them.
    package let scopes: Set<String>?

    /// Zoom's tokens live for an hour (Zoom: Server-to-Server OAuth).
    private static let defaultLifetime = 3600

    private static let lifetimeMax = 86_400

    /// Reads an answer of the token endpoint. An error code or error word in the body counts more than the status.
    ///
    /// - Throws: `credentials`, `api`, `misaddressed`, `unreadable`.
    package init(_ response: ClientResponse, now: Timestamp) throws(ZoomFailure) {
        let object = ZoomAnswer.object(in: response)
        let status = response.status
        let code = object?["code"]?.integer
        let retryAfter = RetryAfter.duration(of: response, now: now)
        if status == 429 || code == 429 {
            throw .api(status: 429, code: code, message: "", retryAfter: retryAfter)
        }
        let error = object?["error"]?.string
        if let fault = CredentialsFault(error: error, code: code), status < 500 || !fault.isAmbiguous {
            throw .credentials(fault)
        }
        if let fault = ZoomAddressFault(response, object: object, code: code) { throw .misaddressed(fault) }
        switch status {
        case 200..<300:
            if error != nil { throw .credentials(.unexplained) }
            guard let object else { throw .unreadable }
            try self.init(object)
        case 400, 401, 403: throw .credentials(.unexplained)
        default: throw .api(status: status, code: code, message: "", retryAfter: retryAfter)
        }
    }

    private init(_ object: JSONObject) throws(ZoomFailure) {
        guard let token = object["access_token"]?.string, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw .unreadable }
        let seconds = object["expires_in"]?.integer ?? Self.defaultLifetime
        guard seconds > 0 else { throw .unreadable }
        accessToken = Secret(token)
        lifetime = .seconds(min(seconds, Self.lifetimeMax))
        scopes = object["scope"]?.string.map { Set($0.split(separator: " ").map(String.init)) }
    }
}
