/// Why the credentials do not yield an access token.
package enum CredentialsFault: String, Sendable, Equatable {
    /// The store has no credentials of the master account.
    case missing
    /// Zoom does not know the client id, or the secret is wrong.
    case client
    /// The account id is missing, malformed, or not that of the app's account.
    case account
    /// The app is not activated, or was disabled.
    case disabled
    /// Zoom refuses the credentials without a reason.
    case unexplained

    /// Reads Zoom's error word and error code (Zoom: Server-to-Server OAuth; Zoom: error codes); `nil` if both are unknown.
    init?(error: String?, code: Int?) {
        switch (error, code) {
        case ("invalid_client", _), (_, 4702), (_, 4704), (_, 4706): self = .client
        case (_, 4717): self = .disabled
        case ("invalid_request", _), ("invalid_grant", _): self = .account
        case ("unsupported_grant_type", _), (_, 4705): self = .unexplained
        default: return nil
        }
    }

    /// Whether a failing server may answer with the same error word.
    var isAmbiguous: Bool {
        switch self {
        case .account, .unexplained: true
        case .missing, .client, .disabled: false
        }
    }
}
