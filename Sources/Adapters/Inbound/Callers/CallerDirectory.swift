package import Domain

/// What a request shows of who it is from.
package enum CallerCredential: Sendable {
    /// The digest of a token.
    case token(SHA256Digest)
    /// The names in a certificate that was verified; see `PeerInfo.certificateNames`.
    case certificate(names: [String])
}

/// Who may call, and what, as it is at each moment.
package protocol CallerDirectory: Sendable {
    /// `nil` for nobody, or for somebody who was known once: which of the two is nobody's to learn.
    func caller(for proof: CallerCredential) -> Caller?

    /// Returns once an export that was begun with this proof, and with the caller's rights as they were then, may not go
    /// on; or when the task is cancelled.
    func endOfExport(for proof: CallerCredential, begunAs caller: Caller) async
}
