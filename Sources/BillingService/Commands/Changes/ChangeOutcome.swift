import Adapters

/// What a response, or the failure of an exchange, says about a change.
enum ChangeOutcome {
    /// The change was made, by this request or by an earlier one with the same key.
    case made(ClientResponse, isReplayed: Bool)

    /// The change was not made. The text says whether anything was sent to Zoom, if that is known.
    case notMade(ServiceProblem, note: String?)

    /// The request may have reached the service or Zoom, and no answer says what became of it.
    case unknown(reason: String)

    private static let replayedRefusal =
        "An earlier request with this key was refused. Correct the change, and send it with a new key."
    private static let nothingSent = "This command sent nothing to Zoom. The same idempotency key may be used again."

    init(_ response: ClientResponse, to kind: AccountChange.Kind) {
        let isReplayed = response.fields.string(.idempotentReplayed)?.lowercased() == "true"
        if response.status == kind.statusOfSuccess {
            self = .made(response, isReplayed: isReplayed)
            return
        }
        let problem = ServiceProblem(response, listsViolations: true)
        let unknown = ChangeOutcome.unknown(reason: ServiceProblem(response, advisesRetry: false).description)
        guard let type = response.object?["type"]?.string.flatMap(ProblemType.init(reference:)) else {
            // Not from the service: a proxy answered. It may have passed the request on before.
            self = Self.isRefusalOfProxy(response.status) ? .notMade(problem, note: nil) : unknown
            return
        }
        switch type {
        case .idempotencyKeyInUse:
            self = .notMade(
                problem, note: "An earlier request with this key is running. Repeat the command to get its answer.")
        case .preconditionFailed:
            self = .notMade(problem, note: "Run the command without a key, and compare the values again.")
        case .preconditionRequired: self = .notMade(problem, note: "Pass --if-match.")
        case .accountBusy: self = .notMade(problem, note: Self.nothingSent)
        case _ where response.status >= 500:
            self =
                Self.failuresBeforeSending.contains(type)
                ? .notMade(problem, note: Self.nothingSent) : unknown
        case _ where response.status == 429: self = .notMade(problem, note: Self.nothingSent)
        case _: self = .notMade(problem, note: isReplayed ? Self.replayedRefusal : nil)
        }
    }

    /// The types of problems with a status from 500 on with which the service sends nothing to Zoom. Not `timed-out`: the
    /// change continues then.
    private static let failuresBeforeSending: Set<ProblemType> = [
        .notCached, .overloaded, .shuttingDown, .stateNotDurable, .stateUnavailable, .zoomAccountList,
        .zoomAnswerTooLarge, .zoomCredentials, .zoomFailed, .zoomPermission, .zoomTimedOut, .zoomUnavailable,
    ]

    /// - Parameter mark: Of the request.
    init(_ failure: HTTPFailure, _ mark: SendMark, _ problem: ServiceProblem) {
        if failure.isUnprocessed || !mark.mayHaveLeft {
            self = .notMade(problem, note: Self.nothingSent)
        } else {
            self = .unknown(reason: "\(problem)")
        }
    }

    /// Whether the status means that a proxy did not pass the request on. Not 408, which a proxy can send afterwards.
    private static func isRefusalOfProxy(_ status: Int) -> Bool {
        300..<500 ~= status && status != 408
    }
}
