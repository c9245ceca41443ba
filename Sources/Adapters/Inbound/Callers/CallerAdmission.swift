import Domain

/// Identifies the caller of a request, and limits wrong tokens and the caller's own rate.
struct CallerAdmission: Sendable {
    private let check: CallerCheck
    private let clientAddress: ClientAddress
    private let guesses: TokenGuesses
    private let rates = CallerRates()

    init(directory: any CallerDirectory, clientAddress: ClientAddress, guesses: TokenGuesses) {
        check = CallerCheck(directory: directory)
        self.clientAddress = clientAddress
        self.guesses = guesses
    }

    /// - Parameter note: Receives the caller's name.
    /// - Throws: the answer 400, 401 or 429.
    func admit(
        _ request: HTTPRequest, _ note: inout RequestNote
    ) throws(ProblemDetails) -> (Caller, CallerCredential) {
        switch check.verdict(on: request) {
        case .caller(let caller, let credential):
            note.caller = caller.name
            guard rates.mayAsk(caller) else { throw FailureTable.callerRate }
            return (caller, credential)
        // A request without a token does not guess one.
        case .nobody: throw FailureTable.unauthenticated
        case .malformed: throw FailureTable.malformedAuthorization
        case .unknown: throw wrongToken(of: request) ?? FailureTable.unknownToken
        case .damagedToken: throw wrongToken(of: request) ?? FailureTable.damagedToken
        }
    }

    /// The standing of the credential that a plain request shows; `nil` for all requests that `admit` may refuse.
    func standing(of request: borrowing PlainRequest) -> CallerStanding? {
        guard request.has(.authorization) else {
            return check.standing(certificateNames: request.peer.certificateNames)
        }
        return check.standing(authorization: request.value(.authorization)[...])
    }

    /// The version of the callers (`CallerDirectory.version`).
    var version: Int { check.directory.version }

    /// Whether the caller's rate permits a request now. Counts it.
    func mayAsk(_ caller: Caller) -> Bool { rates.mayAsk(caller) }

    /// Takes back a request that `mayAsk` has counted, since `admit` will count it.
    func refund(_ caller: Caller) { rates.refund(caller) }

    /// Counts a wrong token.
    ///
    /// - Returns: The answer 429 if the client's address has sent too many.
    private func wrongToken(of request: HTTPRequest) -> ProblemDetails? {
        guesses.mayGuess(clientAddress(of: request)) ? nil : FailureTable.tooManyGuesses
    }
}

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

    func standing(certificateNames names: [String]) -> CallerStanding? {
        names.isEmpty ? nil : directory.standing(of: .certificate(names: names))
    }

    func standing(authorization value: ArraySlice<UInt8>) -> CallerStanding? {
        guard let token = AuthorizationField.credentials(of: "Bearer", in: value), !token.isEmpty else { return nil }
        return directory.standing(of: .token(SHA256Digest(of: token)))
    }
}
