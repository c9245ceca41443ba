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

    /// The bytes of a batch.
    ///
    /// - Parameter isFirst: Whether they are the first of the file.
    /// - Throws: `ExportLines.Problem.incomplete` for a line that is not JSON.
    func bytes(of batch: ExportBatch, isFirst: Bool) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        if isFirst { buffer.writeString(head) }
        switch format {
        case .ndjson where batch.hasOnlyPlainLines: buffer = batch.lines
        case .ndjson: writeLines(of: batch, to: &buffer)
        case .csv: try writeRows(of: batch, to: &buffer)
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

    /// Writes lines with characters that other programs take for line ends, which are escaped in the file.
    private func writeLines(of batch: ExportBatch, to buffer: inout ByteBuffer) {
        for line in batch.lines.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            buffer.writeJSONText(line)
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
    }

    // MARK: CSV

    private func writeRows(of batch: ExportBatch, to buffer: inout ByteBuffer) throws(ExportLines.Problem) {
        let lines = batch.lines.slice()
        let bytes = lines.readableBytesUInt8Span
        let isPlainContact = types == [.contact] && batch.hasOnlyPlainLines
        let contactRow = ContactRow(isForSpreadsheets: isForSpreadsheets)
        let table = table
        let amountColumns = table.amountColumns
        var rows: [UInt8] = []
        // Rows are shorter than lines.
        rows.reserveCapacity(lines.readableBytes)
        var start = 0
        while let end = lines.firstIndex(of: UInt8(ascii: "\n"), from: start) {
            defer { start = end + 1 }
            if isPlainContact, contactRow.write(bytes.extracting(start..<end), to: &rows) { continue }
            guard let line = lines.getBytes(at: start, length: end - start),
                let record = (try? JSONValue(parsing: line))?.object
            else { throw .incomplete }
            var parsed = ByteBuffer()
            for row in table.rows(of: record) { writeRow(row, amountColumns: amountColumns, to: &parsed) }
            rows.append(contentsOf: parsed.readableBytesView)
        }
        buffer.writeBytes(rows)
    }

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

    private func field(_ value: String) -> String { Self.field(value, isForSpreadsheets) }

    /// The text of a value in a row.
    static func field(_ value: String, _ isForSpreadsheets: Bool) -> String {
        // Readers in C, such as sqlite3, end a value at its first NUL; Python before 3.11 rejects the file.
        var text = value.utf8.contains(0) ? value.replacing("\0", with: "\u{FFFD}") : value
        if isForSpreadsheets, beginsFormula(text.utf8Span.span) { text = "'" + text }
        let needsQuotes =
            isForSpreadsheets
            || text.utf8.contains { [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D].contains($0) }
        return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }

    /// Whether a text in UTF-8 begins with a character that begins a formula in a spreadsheet, or with its full-width form
    /// (OWASP, "CSV Injection"): U+FF1D, U+FF0B, U+FF0D and U+FF20.
    static func beginsFormula(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty else { return false }
        switch text[0] {
        case UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 0x09, 0x0A, 0x0D: return true
        case 0xEF:
            guard text.count > 2, text[1] == 0xBC else { return false }
            return [0x9D, 0x8B, 0x8D, 0xA0].contains(text[2])
        case _: return false
        }
    }
}
