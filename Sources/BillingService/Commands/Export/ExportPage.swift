import Adapters
import NIOCore

/// The lines of a complete stream, which has an `end` line.
struct ExportPage {
    /// A line about one account: its text and its JSON object.
    struct Record {
        let text: [UInt8]
        let object: JSONObject
        var isFailure: Bool { object["type"]?.string == "failure" }
        var account: String? { object["account_id"]?.string }
    }

    private(set) var records: [Record] = []

    /// The number of accounts after the last one.
    private(set) var behind = 0

    /// The response field `billing-account-scope`; nil if the service does not send it.
    let scope: String?

    enum Problem: Error {
        /// The `end` line is missing, or its counts are wrong.
        case incomplete
        /// The stream ended with an `error` line.
        case broken(code: Int, message: String)
    }

    init(parsing body: ByteBuffer, scope: String?) throws(Problem) {
        self.scope = scope
        var isOver = false
        for line in body.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            guard !isOver, let object = (try? JSONValue(parsing: Array(line)))?.object else { throw .incomplete }
            switch object["type"]?.string {
            case "contact", "failure": records.append(Record(text: Array(line), object: object))
            case "end":
                isOver = true
                behind = object["more"]?.integer ?? 0
                let counted = (object["contacts"]?.integer ?? -1) + (object["failures"]?.integer ?? -1)
                guard counted == records.count else { throw .incomplete }
            case "error":
                throw .broken(
                    code: object["code"]?.integer ?? 0, message: object["message"]?.string ?? "the stream was aborted")
            case "begin", "heartbeat": break
            // Later versions may add line types, which describe no account.
            case _: break
            }
        }
        guard isOver else { throw .incomplete }
    }
}
