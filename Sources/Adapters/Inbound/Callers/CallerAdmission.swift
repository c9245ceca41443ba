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

    /// Counts a wrong token.
    ///
    /// - Returns: The answer 429 if the client's address has sent too many.
    private func wrongToken(of request: HTTPRequest) -> ProblemDetails? {
        guesses.mayGuess(clientAddress(of: request)) ? nil : FailureTable.tooManyGuesses
    }
}
