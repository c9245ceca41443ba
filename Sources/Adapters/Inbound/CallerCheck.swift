import Domain

/// Who calls: `Authorization: Bearer` (RFC 6750, 2.1) with a token whose digest we know; or, without it, whoever the
/// certificate of the connection names.
struct CallerCheck: Sendable {
    enum Verdict {
        case caller(Caller, CallerProof)
        /// Nothing was shown, or nothing that is a token.
        case nobody
        /// What was shown is not known, or no longer.
        case unknown
        /// It is one of our tokens, but for a slip of whoever copied it.
        case damagedToken
    }

    let directory: any CallerDirectory

    private static let scheme = Array("bearer ".utf8)

    func verdict(on request: HTTPRequest) -> Verdict {
        guard let value = request.fields[.authorization] else {
            let names = request.peer.certificateNames
            guard !names.isEmpty else { return .nobody }
            let proof = CallerProof.certificate(names: names)
            return directory.caller(for: proof).map { .caller($0, proof) } ?? .unknown
        }
        // The scheme's case does not matter (RFC 9110, 11.1); bit 0x20 makes letters lower case and leaves the blank.
        // Whoever shows something of another scheme has shown no token (RFC 6750, 3.1).
        guard value.count > Self.scheme.count, zip(value, Self.scheme).allSatisfy({ $0 | 0x20 == $1 }) else {
            return .nobody
        }
        let token = value.dropFirst(Self.scheme.count)
        let proof = CallerProof.token(SHA256Digest(of: token))
        if let caller = directory.caller(for: proof) { return .caller(caller, proof) }
        return CallerToken.form(of: token) == .damaged ? .damagedToken : .unknown
    }
}
