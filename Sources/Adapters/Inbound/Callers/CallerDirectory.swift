package import Domain

/// The credential of a request.
package enum CallerCredential: Sendable {
    /// The digest of a token.
    case token(SHA256Digest)
    /// The names in a verified client certificate; see `PeerInfo.certificateNames`.
    case certificate(names: [String])
}

/// Finds callers by their credentials, always with their current rights.
package protocol CallerDirectory: Sendable {
    /// `nil` for a credential that is unknown, expired or revoked. The answer does not tell which.
    func caller(for credential: CallerCredential) -> Caller?

    /// Returns when the caller loses the right to an export, or when the task is cancelled.
    ///
    /// - Parameters:
    ///   - credential: The credential of the export's request.
    ///   - caller: The caller with the rights it had when the export began.
    func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async
}
