import Adapters
import Domain
import NIOCore

/// Why a service did not give an answer, in words for the user.
struct ServiceProblem: Error, CustomStringConvertible {
    let description: String
    let status: ExitStatus

    /// Whether the service has no record of an idempotency key.
    private(set) var isKeyNotFound = false

    private init(_ description: String, _ status: ExitStatus) {
        self.description = description
        self.status = status
    }

    /// An answer that reports a failure.
    ///
    /// - Parameters:
    ///   - listsViolations: Whether to print each violation on a separate line, with its field and message.
    ///     Otherwise all are sentences of one line.
    ///   - advisesRetry: Whether to say when the request may be sent again.
    ///   - tokenSource: Where the user has put the token.
    init(
        _ response: ClientResponse, listsViolations: Bool = false, advisesRetry: Bool = true,
        tokenSource: String = "\(CallerTokenInput.variable) or --token-file"
    ) {
        let problem = response.object
        let code = problem?["code"]?.integer
        let message = problem?["message"]?.string ?? problem?["detail"]?.string
        var notes = ["status \(response.status)"]
        if let code, code != response.status { notes.append("code \(code)") }
        if let id = response.fields.string(.requestID) { notes.append("request \(id)") }
        let isUnknownPath = response.status == 404 && Self.isUnknownPath(problem)
        let status = Self.exitStatus(response.status, code: code, isUnknownPath: isUnknownPath)
        let violations = Self.violations(in: problem)
        var sentences = [Self.sentence(message ?? "The service gave no reason")]
        if !listsViolations { sentences += violations.map { Self.sentence("\($0.field): \($0.message)") } }
        if let advice = Self.advice(
            on: response, isUnknownPath: isUnknownPath, advisesRetry: advisesRetry, tokenSource: tokenSource)
        {
            sentences.append(advice)
        }
        var text =
            "\(TerminalText.escaped(sentences.joined(separator: " "))) "
            + "(\(TerminalText.escaped(notes.joined(separator: ", "))))"
        if listsViolations, !violations.isEmpty {
            var table = Table(
                [.init(title: "", content: .identifier), .init(title: "", content: .identifier)], hasTitles: false)
            for violation in violations { table.add(["  " + violation.field, violation.message]) }
            text += "\n" + table.text.dropLast()
        }
        self.init(text, status)
        isKeyNotFound = problem?["type"]?.string == ProblemType.idempotencyKeyNotFound.reference
    }

    /// Whether a 404 is about the path. For an unknown account Zoom sends the code 2001, and the service names each problem by
    /// a `type`.
    private static func isUnknownPath(_ problem: JSONObject?) -> Bool {
        if let type = problem?["type"]?.string { return type == ProblemType.unknownPath.reference }
        return (problem?["code"]?.integer ?? 404) == 404
    }

    private static func exitStatus(_ status: Int, code: Int?, isUnknownPath: Bool) -> ExitStatus {
        switch status {
        // Zoom's code 300 is an invalid parameter. Without a code, a proxy has refused the request.
        case 400: code == 300 ? .wrongUsage : code == nil ? .failed : .refused
        case 401, 403: .notAllowed
        case 404: isUnknownPath ? .failed : .notFound
        case 409, 429, 503, 504: .tryAgainLater
        // The account has changed since it was read.
        case 412: .refused
        // The idempotency key belongs to another request; the request needs a precondition.
        case 422, 428: .wrongUsage
        case _: .failed
        }
    }

    private static func violations(in problem: JSONObject?) -> [(field: String, message: String)] {
        (problem?["errors"]?.array ?? []).compactMap { violation in
            guard let field = violation.object?["field"]?.string, let message = violation.object?["message"]?.string
            else { return nil }
            return (field, message)
        }
    }

    private static func advice(
        on response: ClientResponse, isUnknownPath: Bool, advisesRetry: Bool, tokenSource: String
    ) -> String? {
        switch response.status {
        case 300..<400: "The address redirects: pass the new address as --url."
        case 401: "Check the token in \(tokenSource)."
        case 404: isUnknownPath ? "Check the path in --url, and the version of the service." : nil
        case 409, 429, 503, 504: advisesRetry ? retryTime(of: response) : nil
        case _: nil
        }
    }

    /// - Returns: The time of `Retry-After` (RFC 9110, 10.2.3), which a proxy may send as a date.
    private static func retryTime(of response: ClientResponse) -> String {
        guard let text = response.fields.string(.retryAfter) else { return "Try again later." }
        guard let seconds = Int32(text), seconds >= 0 else { return "Try again after \(text)." }
        let time = Timestamp(secondsSinceEpoch: SystemTime().timestamp.secondsSinceEpoch + Int64(seconds))
        return "Try again in \(seconds) \(seconds == 1 ? "second" : "seconds"), at \(time.rfc3339)."
    }

    private static func sentence(_ text: String) -> String {
        text.hasSuffix(".") ? text : text + "."
    }

    /// The exchange failed.
    ///
    /// - Parameter afterBytes: The bytes of a file that had arrived; nil if the answer is needed as a whole.
    init(
        _ failure: HTTPFailure, from origin: Origin, timeout: Duration, afterBytes count: Int? = nil,
        timeoutFlag: String? = "--timeout"
    ) {
        let end = count.map { "the download was cut off after \(DownloadProgress.size($0)): " } ?? ""
        switch failure {
        case .notConnected(let failure): self.init(failure.withAdvice, .failed)
        case .timedOut:
            let silence = count == nil ? "did not answer within" : "sent nothing for"
            self.init(
                "\(end)\(origin.authority) \(silence) \(DurationText.text(timeout))\(timeoutFlag.map { " (\($0))" } ?? "")",
                count == nil ? .tryAgainLater : .failed)
        case .cancelled: self.init("interrupted", .failed)
        case .connectionLost, .resetByPeer, .unprocessed, .tooLarge, .malformed:
            self.init("\(end)\(origin.authority): \(failure)", .failed)
        }
    }

    /// An answer with status 200 that is none of the service's.
    init(unusableAnswerOf origin: Origin, _ fields: HeaderFields) {
        let type = fields.string(.contentType).map(TerminalText.escaped) ?? "no content type"
        self.init("\(origin.authority) answers with \(type), which is no answer of the service: check --url", .failed)
    }

    /// A list whose pages do not end.
    init(endlessListOf origin: Origin) {
        self.init("\(origin.authority): the list of accounts does not end", .failed)
    }
}

extension ConnectFailure {
    /// The failure with advice for users of `--url`.
    var withAdvice: String {
        let names = SettingNames(address: "--url", caFile: "zoom.ca-file", proxy: "HTTPS_PROXY")
        return "\(self): \(remedy(names))"
    }
}
