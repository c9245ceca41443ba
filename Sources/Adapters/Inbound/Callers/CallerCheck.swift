import Domain

/// Identifies the caller: by the digest of the token in `Authorization: Bearer` (RFC 6750, 2.1); without that field, by the
/// names in the client certificate of the connection.
struct CallerCheck: Sendable {
    enum Verdict {
        case caller(Caller, CallerCredential)
        /// The request has no bearer token and no certificate.
        case nobody
        /// The field `Authorization` breaks the grammar: no token can be read from it.
        case malformed
        /// The token or certificate is not known, has expired or was revoked.
        case unknown
        /// The token has the form of ours, but its checksum is wrong.
        case damagedToken
    }

    let directory: any CallerDirectory

    func verdict(on request: HTTPRequest) -> Verdict {
        guard let value = request.fields[.authorization] else {
            let names = request.peer.certificateNames
            guard !names.isEmpty else { return .nobody }
            let credential = CallerCredential.certificate(names: names)
            return directory.caller(for: credential).map { .caller($0, credential) } ?? .unknown
        }
        guard let token = AuthorizationField.credentials(of: "Bearer", in: value) else {
            // Credentials of another scheme are no token (RFC 6750, 3.1).
            return value.isEmpty || AuthorizationField.hasScheme(value) ? .nobody : .malformed
        }
        guard !token.isEmpty else { return .malformed }
        let credential = CallerCredential.token(SHA256Digest(of: token))
        if let caller = directory.caller(for: credential) { return .caller(caller, credential) }
        guard AuthorizationField.isToken68(token) else { return .malformed }
        return CallerToken.form(of: token) == .damaged ? .damagedToken : .unknown
    }
}
