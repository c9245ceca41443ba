/// What the engineers of a caller and of the service need to know of a kind of problem.
package struct ProblemExplanation: Sendable {
    /// The member `code` of an error.
    package enum Code: Sendable, Equatable {
        /// The status.
        case status
        /// A code of Zoom that always belongs to the problem.
        case zoom(Int)
        /// The code of Zoom's answer.
        case passedOn

        /// `nil` if the problem itself does not state one.
        package var value: Int? {
            switch self {
            case .zoom(let code): code
            case .status, .passedOn: nil
            }
        }
    }

    /// Whether the same request may be sent again.
    package enum Repetition: Sendable {
        case never
        case afterRetryAfter
        case withBackOff
        case onceMended

        /// For a column of a table.
        package var summary: String {
            switch self {
            case .never: "no"
            case .afterRetryAfter: "after `retry-after`"
            case .withBackOff: "with back-off"
            case .onceMended: "once it is mended"
            }
        }

        package var text: String {
            switch self {
            case .never: "No. The same request gets the same answer."
            case .afterRetryAfter: "Yes, after the seconds in `retry-after`. A change keeps its `idempotency-key`."
            case .withBackOff:
                "Yes. Wait 1 second, then twice as long before each further attempt, up to 1 minute. "
                    + "A change keeps its `idempotency-key`."
            case .onceMended: "Only after the cause is removed. Until then the request fails again."
            }
        }
    }

    /// Who can remove the cause.
    package struct Party: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        package static let caller = Party(rawValue: 1)
        package static let `operator` = Party(rawValue: 2)
        package static let accountOwner = Party(rawValue: 4)
        package static let zoomAdministrator = Party(rawValue: 8)
        package static let zoom = Party(rawValue: 16)

        package var text: String {
            let names: [(Party, String)] = [
                (.caller, "the developer of the calling program"), (.operator, "the operator of this service"),
                (.accountOwner, "the owner of the sub account"),
                (.zoomAdministrator, "the administrator of the Zoom app"), (.zoom, "Zoom's support"),
            ]
            let found = names.filter { contains($0.0) }.map(\.1)
            guard let first = found.first else { return "Nobody needs to act: it passes by itself." }
            return first.prefix(1).uppercased() + found.joined(separator: ", or ").dropFirst() + "."
        }
    }

    /// The kind of problem, for people.
    package let title: String
    package let status: Int
    package let code: Code
    package let repetition: Repetition
    package let mendedBy: Party

    /// What has happened. Text in backticks is code.
    package let meaning: String

    /// What the caller's engineer should do.
    package let action: String

    init(
        _ title: String, _ status: Int, _ code: Code = .status, _ repetition: Repetition, mendedBy: Party,
        meaning: String, action: String
    ) {
        self.title = title
        self.status = status
        self.code = code
        self.repetition = repetition
        self.mendedBy = mendedBy
        self.meaning = meaning
        self.action = action
    }
}
