import Adapters
import NIOCore

/// The format of an export.
enum ExportFormat: String, CaseIterable, Sendable {
    case ndjson
    case csv
}

/// The format of the file with its options.
struct ExportEncoding: Sendable {
    var format: ExportFormat

    /// The types of the records, in their order. CSV has one.
    var types = [RecordType.contact]
    var isCompressed = false

    /// For CSV only: begins with a byte order mark, and escapes formulas.
    var isForSpreadsheets = false

    /// Names of the options, for `ExportIdentity`.
    var names: [String] {
        [format.rawValue] + (isForSpreadsheets ? ["for spreadsheets"] : []) + (isCompressed ? ["gzip"] : [])
    }

    // MARK: Bytes

    private static let byteOrderMark = "\u{FEFF}"

    /// The text before the first record.
    private var head: String {
        switch format {
        case .ndjson: ""
        case .csv:
            (isForSpreadsheets ? Self.byteOrderMark : "")
                + table.columns.joined(separator: ",") + "\r\n"
        }
    }

    /// The bytes of a page.
    ///
    /// - Parameter isFirst: Whether they are the first of the file.
    func bytes(of records: [ExportPage.Record], isFirst: Bool) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        if isFirst { buffer.writeString(head) }
        let amountColumns = table.amountColumns
        for record in records {
            switch format {
            case .ndjson:
                buffer.writeJSONText(record.text)
                buffer.writeInteger(UInt8(ascii: "\n"))
            case .csv:
                for row in table.rows(of: record.object) {
                    writeRow(row, amountColumns: amountColumns, to: &buffer)
                }
            }
        }
        guard isCompressed else { return buffer }
        if buffer.readableBytes > 0 { return try GzipMember.compress(buffer) }
        // An empty file is not a valid gzip file.
        return isFirst ? ByteBuffer(bytes: Self.emptyGzip) : buffer
    }

    /// An empty member (RFC 1952): header, empty block, checksum 0 and length 0.
    private static let emptyGzip: [UInt8] =
        [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 0x03] + [0x03, 0] + [0, 0, 0, 0] + [0, 0, 0, 0]

    private static let gzipMagic: [UInt8] = [0x1F, 0x8B]

    /// Whether a file that begins with `bytes` can be an export in this encoding.
    func begins(_ bytes: [UInt8]) -> Bool {
        if isCompressed { return bytes.starts(with: Self.gzipMagic) }
        let start =
            switch format {
            case .ndjson: "{\"type\":\""
            case .csv: head
            }
        return bytes.starts(with: Array(start.utf8.prefix(bytes.count))) && !bytes.isEmpty
    }

    // MARK: CSV

    private var table: ExportTable { ExportTable(type: types[0]) }

    /// RFC 4180.
    private func writeRow(_ values: [String], amountColumns: [Int], to buffer: inout ByteBuffer) {
        for (index, value) in values.enumerated() {
            if index > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            // A negative amount is no formula.
            buffer.writeString(amountColumns.contains(index) && Self.isNumber(value) ? value : field(value))
        }
        buffer.writeStaticString("\r\n")
    }

    private static func isNumber(_ text: String) -> Bool {
        if case .number? = try? JSONValue(parsing: Array(text.utf8)) { true } else { false }
    }

    private func field(_ value: String) -> String {
        // Readers in C, such as sqlite3, end a value at its first NUL; Python before 3.11 rejects the file.
        var text = value.utf8.contains(0) ? value.replacing("\0", with: "\u{FFFD}") : value
        if isForSpreadsheets, let first = text.unicodeScalars.first, Self.formulaStarts.contains(first) {
            text = "'" + text
        }
        let needsQuotes =
            isForSpreadsheets
            || text.utf8.contains { [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D].contains($0) }
        return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }

    /// Characters that begin a formula in a spreadsheet, and their full-width forms (OWASP, "CSV Injection").
    private static let formulaStarts: Set<Unicode.Scalar> = [
        "=", "+", "-", "@", "\t", "\r", "\n", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}",
    ]
}
