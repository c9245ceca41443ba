import Adapters
import NIOCore

/// How records stand in the file.
enum ExportFormat: String, CaseIterable, Sendable {
    case ndjson
    case csv

    /// What stands before all records.
    var head: ByteBuffer {
        switch self {
        case .ndjson: ByteBuffer()
        case .csv:
            ByteBuffer(
                string: (["account_id", "as_of"] + ContactFieldNames.inOrder + ["status", "code", "message"]).joined(
                    separator: ",")
                    + "\r\n")
        }
    }

    func write(_ records: [ExportPage.Record], to buffer: inout ByteBuffer) {
        for record in records {
            switch self {
            case .ndjson:
                buffer.writeBytes(record.text)
                buffer.writeInteger(UInt8(ascii: "\n"))
            case .csv: writeRow(record.object, to: &buffer)
            }
        }
    }

    /// RFC 4180.
    private func writeRow(_ object: JSONObject, to buffer: inout ByteBuffer) {
        let billing = object["billing"]?.object
        let values =
            [object["account_id"]?.text, object["as_of"]?.text] + ContactFieldNames.inOrder.map { billing?[$0]?.text }
            + [object["status"]?.text, object["code"]?.text, object["message"]?.text]
        for (index, value) in values.enumerated() {
            if index > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            buffer.writeString(Self.field(value ?? ""))
        }
        buffer.writeStaticString("\r\n")
    }

    private static func field(_ text: String) -> String {
        let needsQuotes = text.utf8.contains { [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D].contains($0) }
        return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
}
