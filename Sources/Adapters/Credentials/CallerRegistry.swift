package import Domain

/// The callers that are known, by the digest of their tokens or the name in their certificates.
package struct CallerRegistry: Sendable {
    private let callers: [SHA256Digest: Caller]
    private let callersByCertificate: [String: Caller]

    package init(_ callers: [SHA256Digest: Caller], byCertificate callersByCertificate: [String: Caller] = [:]) {
        self.callers = callers
        self.callersByCertificate = callersByCertificate
    }

    /// Who presents a token with that digest; `nil` for nobody we know.
    package func caller(presenting digest: SHA256Digest) -> Caller? {
        callers[digest]
    }

    /// Who is named by a certificate with these names; `nil` for nobody we know.
    package func caller(certificateNames names: [String]) -> Caller? {
        names.lazy.compactMap { callersByCertificate[$0] }.first
    }
}
