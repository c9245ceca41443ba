/// Why there is no token to be had with the credentials at hand.
package enum CredentialsFault: String, Sendable, Equatable {
    /// The store has none for that master account.
    case missing
    /// Zoom does not know the client id, or the secret is not its own.
    case client
    /// The account id is missing, malformed, or not that of the account the app belongs to.
    case account
    /// The app is not activated, or was disabled.
    case disabled
    /// Zoom refuses them and does not say why.
    case unexplained

    /// What Zoom says in words or by code (Zoom: Server-to-Server OAuth, and the table of error codes); `nil` if it says
    /// nothing that is known.
    init?(error: String?, code: Int?) {
        switch (error, code) {
        case ("invalid_client", _), (_, 4702), (_, 4704), (_, 4706): self = .client
        case (_, 4717): self = .disabled
        case ("invalid_request", _), ("invalid_grant", _): self = .account
        case ("unsupported_grant_type", _), (_, 4705): self = .unexplained
        default: return nil
        }
    }

    /// The word is used for other faults as well: a server that fails may say it.
    var isGuess: Bool {
        switch self {
        case .account, .unexplained: true
        case .missing, .client, .disabled: false
        }
    }
}
