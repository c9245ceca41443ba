import Adapters

/// A table of JSON objects: a column for each listed member, and a last one for all other members.
struct MemberTable {
    struct Member {
        /// The title of the column.
        let title: String

        /// The name in the JSON object.
        let name: String
        var content = Table.Column.Content.text
    }

    private let members: [Member]
    private var table: Table

    /// The title of the column of the other members, as `name=value`.
    private static let otherTitle = "OTHER"

    /// - Parameter leading: Columns before those of the members.
    init(leading: [Table.Column] = [], _ members: [Member]) {
        self.members = members
        table = Table(
            leading + members.map { Table.Column(title: $0.title, content: $0.content) } + [
                .init(title: Self.otherTitle)
            ]
        )
    }

    mutating func add(_ object: [JSONObject.Member]) {
        add(object.map { (name: $0.name, text: $0.value.cellText) }, leading: [])
    }

    /// - Parameter leading: The cells of the leading columns.
    mutating func add(_ object: [(name: String, text: String)], leading: [String]) {
        let cells = members.map { member in
            let text = object.last { $0.name == member.name }?.text ?? ""
            return text.isEmpty ? "-" : text
        }
        let others = object.filter { other in !members.contains { $0.name == other.name } }.map { other in
            "\(other.name)=\(other.text)"
        }
        table.add(leading + cells + [others.joined(separator: " ")])
    }

    /// The rows that were added since the last call; see `Table.takeText`.
    mutating func takeText(columnsMax: Int?) -> String {
        table.takeText(columnsMax: columnsMax)
    }
}

extension JSONValue {
    /// The value for one cell: a string without quotes, a number digit for digit, a list with commas.
    var cellText: String {
        switch self {
        case .null: ""
        case .bool(let value): "\(value)"
        case .number(let text), .string(let text): text
        case .array(let elements) where elements.allSatisfy(\.isScalar):
            elements.map(\.cellText).joined(separator: ", ")
        case .array, .object: String(decoding: serialized, as: UTF8.self)
        }
    }

    /// Whether it is neither an array nor an object.
    var isScalar: Bool {
        switch self {
        case .null, .bool, .number, .string: true
        case .array, .object: false
        }
    }
}
