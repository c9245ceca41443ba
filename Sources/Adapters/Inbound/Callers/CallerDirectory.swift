package import Domain

/// The credential of a request.
package enum CallerCredential: Sendable {
    /// The digest of a token.
    case token(SHA256Digest)
    /// The names in a verified client certificate; see `PeerInfo.certificateNames`.
    case certificate(names: [String])
}

/// A caller with its current rights, and how long its credential is valid.
package struct CallerStanding: Sendable {
    package let caller: Caller

    /// `nil` for a credential that does not expire.
    package let expires: Timestamp?

    package init(_ caller: Caller, expires: Timestamp? = nil) {
        self.caller = caller
        self.expires = expires
    }
}

/// Finds callers by their credentials, always with their current rights.
package protocol CallerDirectory: Sendable {
    /// `nil` for a credential that is unknown, expired or revoked. The answer does not tell which.
    func standing(of credential: CallerCredential) -> CallerStanding?

    /// A number that changes when the standing of any credential changes, except by expiry.
    var version: Int { get }

    /// Returns when the caller loses the right to an export, or when the task is cancelled.
    ///
    /// - Parameters:
    ///   - credential: The credential of the export's request.
    ///   - caller: The caller with the rights it had when the export began.
    func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async
}

extension CallerDirectory {
    package func caller(for credential: CallerCredential) -> Caller? { standing(of: credential)?.caller }
}
