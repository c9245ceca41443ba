import Domain

/// What a request shows of who it is from.
package enum CallerProof: Sendable {
    /// The digest of a token.
    case token(SHA256Digest)
    /// The names in a certificate that was verified; see `PeerInfo.certificateNames`.
    case certificate(names: [String])
}

/// Who calls: `Authorization: Bearer` (RFC 6750, 2.1) with a token whose digest we know; or, without it, whoever the
/// certificate of the connection names.
struct CallerCheck: Sendable {
    /// Finds the caller by what was shown.
    typealias Registry = @Sendable (CallerProof) -> Caller?

    private let registry: Registry

    init(registry: @escaping Registry) {
        self.registry = registry
    }

    private static let scheme = Array("bearer ".utf8)

    func caller(of request: HTTPRequest) -> Caller? {
        guard let value = request.fields[.authorization] else {
            let names = request.peer.certificateNames
            return names.isEmpty ? nil : registry(.certificate(names: names))
        }
        guard value.count > Self.scheme.count else { return nil }
        // The scheme's case does not matter (RFC 9110, 11.1); bit 0x20 makes letters lower case and leaves the blank.
        guard zip(value, Self.scheme).allSatisfy({ $0 | 0x20 == $1 }) else { return nil }
        return registry(.token(SHA256Digest(of: value.dropFirst(Self.scheme.count))))
    }
}
