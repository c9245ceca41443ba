import FoundationEssentials

/// Protects the operator's page with a token, which browsers send as a password and programs as a bearer token.
package struct OperatorAccess: Sendable {
    private let digest: @Sendable () -> SHA256Digest?
    private let guesses: TokenGuesses

    /// - Parameters:
    ///   - digest: The digest of the token; `nil` if the page is not protected.
    ///   - guesses: The wrong tokens that an address may send.
    package init(
        defences: DefenceLog, guesses: Limits.Rate,
        digest: @escaping @Sendable () -> SHA256Digest?
    ) {
        self.digest = digest
        self.guesses = TokenGuesses(rate: guesses, defences: defences)
    }

    /// - Throws: the answer 401 or 429.
    func check(_ request: HTTPRequest) throws(ProblemDetails) {
        guard let digest = digest() else { return }
        guard let token = Self.token(of: request) else { throw Self.tokenMissing }
        guard SHA256Digest(of: token[...]) != digest else { return }
        throw guesses.mayGuess(request.peer.address) ? Self.tokenMissing : FailureTable.tooManyGuesses
    }

    /// Names one scheme only: Chromium does not find the first of several in a field.
    private static let tokenMissing = ProblemDetails(
        .operatorToken, message: "This page needs the token of ops.token-file, as a password or as a bearer token.",
        extraFields: [(.wwwAuthenticate, "Basic realm=\"operations\", charset=\"UTF-8\"")])

    /// The token of `Authorization: Bearer` (RFC 6750), or the password of `Authorization: Basic` (RFC 7617) with any user.
    private static func token(of request: HTTPRequest) -> [UInt8]? {
        guard let value = request.fields[.authorization] else { return nil }
        if let token = AuthorizationField.credentials(of: "Bearer", in: value) { return Array(token) }
        guard let encoded = AuthorizationField.credentials(of: "Basic", in: value),
            let decoded = Data(base64Encoded: String(decoding: encoded, as: UTF8.self)),
            let colon = decoded.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return Array(decoded[decoded.index(after: colon)...])
    }
}
