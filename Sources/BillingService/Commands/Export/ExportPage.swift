import Adapters
import NIOCore

/// The lines of a complete stream, which has an `end` line.
struct ExportPage {
    /// A line with data of one account, or with the failure to get it: its text and its JSON object.
    struct Record {
        let text: [UInt8]
        let object: JSONObject
        var isFailure: Bool { object["type"]?.string == "failure" }
        var account: String? { object["account_id"]?.string }

        /// The type of the requested data. A failure names it unless only contacts were requested.
        var type: RecordType? {
            let name = isFailure ? object["kind"]?.string ?? RecordType.contact.rawValue : object["type"]?.string
            return name.flatMap { RecordType(rawValue: $0) }
        }
    }

    private(set) var records: [Record] = []

    /// The number of accounts, each with all requested types.
    private(set) var accounts = 0

    /// The number of accounts after the last one.
    private(set) var behind = 0

    /// The response field `billing-account-scope`; nil if the service does not send it.
    let scope: String?

    enum Problem: Error {
        /// The `end` line is missing, its counts are wrong, or an account lacks a requested type.
        case incomplete
        /// The stream ended with an `error` line.
        case broken(code: Int, message: String)
    }

    /// - Parameter types: The requested types, in their order.
    init(parsing body: ByteBuffer, types: [RecordType], scope: String?) throws(Problem) {
        self.scope = scope
        var isOver = false
        for line in body.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            guard !isOver, let object = (try? JSONValue(parsing: Array(line)))?.object else { throw .incomplete }
            switch object["type"]?.string {
            case "failure": records.append(Record(text: Array(line), object: object))
            case let type? where RecordType(rawValue: type) != nil:
                records.append(Record(text: Array(line), object: object))
            case "end":
                isOver = true
                behind = object["more"]?.integer ?? 0
                guard Self.count(in: object) == records.count else { throw .incomplete }
            case "error":
                throw .broken(
                    code: object["code"]?.integer ?? 0, message: object["message"]?.string ?? "the stream was aborted")
            case "begin", "heartbeat": break
            // Later versions may add line types, which describe no account.
            case _: break
            }
        }
        guard isOver, records.count.isMultiple(of: types.count) else { throw .incomplete }
        accounts = records.count / types.count
        for (index, record) in records.enumerated() {
            let place = index % types.count
            guard record.type == types[place], record.account == records[index - place].account else {
                throw .incomplete
            }
        }
    }

    /// The number of lines of accounts that an `end` line states.
    private static func count(in end: JSONObject) -> Int? {
        guard let types = end["by_kind"]?.object else {
            return end["contacts"]?.integer.flatMap { contacts in end["failures"]?.integer.map { contacts + $0 } }
        }
        return types.members.reduce(0) { sum, type in
            let counts = type.value.object
            return sum + (counts?["records"]?.integer ?? 0) + (counts?["failures"]?.integer ?? 0)
        }
    }
}
