package import Domain

/// The callers that are known, by the digest of their tokens.
package struct CallerRegistry: Sendable {
    private let callers: [SHA256Digest: Caller]

    package init(_ callers: [SHA256Digest: Caller]) {
        self.callers = callers
    }

    /// Who presents a token with that digest; `nil` for nobody we know.
    package func caller(presenting digest: SHA256Digest) -> Caller? {
        callers[digest]
    }
}
