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
        let value = request.has(.authorization) ? request.value(.authorization)[...] : nil
        return check.standing(authorization: value, request.peer)
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

    /// What a request shows of its caller.
    private enum Shown {
        case token(ArraySlice<UInt8>)
        case certificate(names: [String])
        case nobody
        case malformed

        /// - Parameter authorization: The value of `Authorization`; `nil` for a request without the field.
        init(authorization value: ArraySlice<UInt8>?, _ peer: PeerInfo) {
            guard let value else {
                self = peer.certificateNames.isEmpty ? .nobody : .certificate(names: peer.certificateNames)
                return
            }
            guard let token = AuthorizationField.credentials(of: "Bearer", in: value) else {
                // Credentials of another scheme are no token (RFC 6750, 3.1).
                self = value.isEmpty || AuthorizationField.hasScheme(value) ? .nobody : .malformed
                return
            }
            self = token.isEmpty ? .malformed : .token(token)
        }

        var credential: CallerCredential? {
            switch self {
            case .token(let token): .token(SHA256Digest(of: token))
            case .certificate(let names): .certificate(names: names)
            case .nobody, .malformed: nil
            }
        }
    }

    func verdict(on request: HTTPRequest) -> Verdict {
        let shown = Shown(authorization: request.fields[.authorization], request.peer)
        if let credential = shown.credential, let caller = directory.caller(for: credential) {
            return .caller(caller, credential)
        }
        switch shown {
        case .nobody: return .nobody
        case .malformed: return .malformed
        case .certificate: return .unknown
        case .token(let token):
            guard AuthorizationField.isToken68(token) else { return .malformed }
            return CallerToken.form(of: token) == .damaged ? .damagedToken : .unknown
        }
    }

    /// The standing of the caller that `verdict` finds for a request with this field; `nil` for any other verdict.
    func standing(authorization value: ArraySlice<UInt8>?, _ peer: PeerInfo) -> CallerStanding? {
        Shown(authorization: value, peer).credential.flatMap(directory.standing)
    }
}
