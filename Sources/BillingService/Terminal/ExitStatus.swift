/// The exit codes of the program, named as in sysexits.h where one of its codes fits.
package enum ExitStatus: Int32, CaseIterable, Sendable {
    case done = 0
    case failed = 1
    /// `export` only.
    case someAccountsFailed = 3
    /// `update`, `subscribe` and `cancel` only.
    case outcomeUnknown = 4
    /// `update`, `subscribe`, `cancel` and `state remove` only.
    case declined = 5
    /// `EX_USAGE`
    case wrongUsage = 64
    /// `EX_DATAERR`
    case refused = 65
    /// `EX_NOINPUT`
    case notFound = 66
    /// `EX_TEMPFAIL`
    case tryAgainLater = 75
    /// `EX_NOPERM`
    case notAllowed = 77
    /// `EX_CONFIG`
    case wrongConfiguration = 78
    /// The status that a shell reports for a program that SIGPIPE has ended: 128 + 13.
    case readerGone = 141

    /// The meaning, as help texts and docs/command-line.md list it.
    package var meaning: String {
        switch self {
        case .done: "done"
        case .failed: "any other failure"
        case .someAccountsFailed: "complete, but some accounts failed"
        case .outcomeUnknown: "the change may have taken effect, but no answer says so"
        case .declined: "the question was not answered with yes, so nothing was done"
        case .wrongUsage: "wrong usage"
        case .refused: "refused, such as for an account on self pay"
        case .notFound: "no such account, invoice, idempotency key or file"
        case .tryAgainLater: "try again later"
        case .notAllowed: "not allowed"
        case .wrongConfiguration: "wrong configuration"
        case .readerGone: "the reader of standard output has closed the pipe"
        }
    }

    /// The statuses of the commands that look up billing.
    static let ofLookups: [ExitStatus] = [
        .done, .failed, .wrongUsage, .refused, .notFound, .tryAgainLater, .notAllowed, .wrongConfiguration,
    ]

    /// The statuses of the commands that change an account.
    static let ofChanges: [ExitStatus] = [
        .done, .failed, .outcomeUnknown, .declined, .wrongUsage, .refused, .notFound, .tryAgainLater, .notAllowed,
        .wrongConfiguration,
    ]

    /// A sentence for the help of a command.
    static func summary(of statuses: [ExitStatus]) -> String {
        "Exit codes: " + statuses.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: "; ") + "."
    }
}
