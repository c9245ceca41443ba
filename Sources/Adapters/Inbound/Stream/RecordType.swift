import Domain

/// The type of a line with data of one account, in the order of the lines. The raw values are those of the member `type` and of
/// the parameter `include`.
package enum RecordType: String, Sendable, CaseIterable {
    case contact
    case plans
    case usage
    case invoices

    init(_ kind: ExportKind) {
        switch kind {
        case .contact: self = .contact
        case .plans: self = .plans
        case .usage: self = .usage
        case .invoices: self = .invoices
        }
    }

    /// The member of the line that has Zoom's object.
    package var member: StaticString {
        switch self {
        case .contact: "billing"
        case .plans: "plans"
        case .usage: "usage"
        case .invoices: "invoices"
        }
    }

    /// Reads names with commas between them.
    ///
    /// - Returns: The types in their order, each once; `nil` for an unknown name or none.
    package static func list(_ text: String) -> [RecordType]? {
        let names = text.split(separator: ",", omittingEmptySubsequences: false)
        let types = names.compactMap { RecordType(rawValue: String($0)) }
        guard types.count == names.count else { return nil }
        return allCases.filter(types.contains)
    }
}

/// A counter for each type. Its storage is inline, since a stream increments one for each line: a dictionary would be slower.
struct RecordCounts: Sendable, Equatable {
    private var contacts = 0
    private var plans = 0
    private var usage = 0
    private var invoices = 0

    subscript(_ type: RecordType) -> Int {
        get {
            switch type {
            case .contact: contacts
            case .plans: plans
            case .usage: usage
            case .invoices: invoices
            }
        }
        set {
            switch type {
            case .contact: contacts = newValue
            case .plans: plans = newValue
            case .usage: usage = newValue
            case .invoices: invoices = newValue
            }
        }
    }
}
