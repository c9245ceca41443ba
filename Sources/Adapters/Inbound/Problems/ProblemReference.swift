/// The page about all problems: docs/errors.md, and what `ProblemType.page` answers with. Text in backticks is code.
package enum ProblemReference {
    package static let introduction = [
        "Every error has a body of `application/problem+json`: problem details (RFC 9457) with Zoom's `code` and "
            + "`message`, so that a program written for Zoom can read it.",
        "`type` refers to a section of this page: resolve it against the address of the request. Programs should "
            + "compare the name after `#`, and not `title` or `detail`. There may be new names: treat an unknown one by "
            + "its status.",
        "A `failure` line of a stream has `status`, `code` and `message` of the same problem, without `type`. An error "
            + "without such a `type` comes from a proxy in front of the service.",
        "Keep `x-request-id` of the answer: the log of the service has a line for each failed request with it.",
    ]

    package static let members: [(name: String, meaning: String)] = [
        ("type", "the path of this page, `#` and the name of the problem"),
        ("title", "the kind of problem, for people"),
        ("status", "the status of the response"),
        ("detail", "the cause of this error, for people; `message` is the same"),
        ("code", "Zoom's code if there is one, otherwise the status"),
        ("errors", "each broken rule, as `field` and `message`; only with the codes 300 and 2100"),
        ("outcome", "`unknown`; only with `outcome-unknown`"),
        ("look_at", "the path of the read that shows whether a change took effect; only with `outcome`"),
        ("instance", "names the answer, with the `x-request-id`"),
    ]

    /// Zoom's codes that errors can have, as the service uses them.
    package static let codes: [(code: Int, meaning: String)] = [
        (124, "The access token is not valid. Here it is the token of the caller, and never Zoom's."),
        (200, "The operation needs a paid account."),
        (300, "The request is not valid."),
        (2001, "The account does not exist."),
        (2100, "Billing does not permit it: the account pays for itself, or its plans do not permit the change."),
        (4700, "Zoom refuses the credentials of the service."),
        (4711, "A scope is missing: of the caller with status 403, of the Zoom app with status 502."),
    ]

    /// All problems, in order of their statuses.
    package static var byStatus: [ProblemType] {
        ProblemType.allCases.enumerated().sorted {
            ($0.element.explanation.status, $0.offset) < ($1.element.explanation.status, $1.offset)
        }.map(\.element)
    }

    package static func types(in group: ProblemType.Group) -> [ProblemType] {
        ProblemType.allCases.filter { $0.group == group }
    }

    /// The problems that always have a code of Zoom.
    package static func types(withCode code: Int) -> [ProblemType] {
        ProblemType.allCases.filter { $0.explanation.code == .zoom(code) }
    }
}

extension ProblemExplanation {
    /// `code`, for a column of a table.
    package var codeText: String {
        switch code {
        case .status: "\(status)"
        case .zoom(let code): "\(code)"
        case .passedOn: "Zoom's"
        }
    }
}
