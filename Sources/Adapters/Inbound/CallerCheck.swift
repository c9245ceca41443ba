import Domain

/// Who calls: `Authorization: Bearer` (RFC 6750, 2.1) with a token whose digest we know.
struct CallerCheck: Sendable {
    /// Finds the caller by the digest of the token presented.
    typealias Registry = @Sendable (SHA256Digest) -> Caller?

    private let registry: Registry

    init(registry: @escaping Registry) {
        self.registry = registry
    }

    private static let scheme = Array("bearer ".utf8)

    func caller(of request: HTTPRequest) -> Caller? {
        guard let value = request.fields[.authorization], value.count > Self.scheme.count else { return nil }
        // The scheme's case does not matter (RFC 9110, 11.1); bit 0x20 makes letters lower case and leaves the blank.
        guard zip(value, Self.scheme).allSatisfy({ $0 | 0x20 == $1 }) else { return nil }
        return registry(SHA256Digest(of: value.dropFirst(Self.scheme.count)))
    }
}
