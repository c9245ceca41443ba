import Adapters
import NIOCore

/// A part of a stream that has come whole: it began, and it has its `end` line.
struct ExportPage {
    /// A line about an account, as it came and as it was read.
    struct Record {
        let text: [UInt8]
        let object: JSONObject
        var isFailure: Bool { object["type"]?.string == "failure" }
        var account: String? { object["account_id"]?.string }
    }

    private(set) var records: [Record] = []

    /// How many accounts are behind the last one.
    private(set) var behind = 0

    enum Problem: Error {
        /// There is no `end` line, or what there is contradicts it.
        case incomplete
        /// The stream said why it did not go on.
        case broken(code: Int, message: String)
    }

    init(parsing body: ByteBuffer) throws(Problem) {
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
                    code: object["code"]?.integer ?? 0, message: object["message"]?.string ?? "the stream broke off")
            case "begin", "heartbeat": break
            // A kind of line that is not known yet tells of no account.
            case _: break
            }
        }
        guard isOver else { throw .incomplete }
    }
}
