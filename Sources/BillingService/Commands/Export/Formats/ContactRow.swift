import Adapters
import NIOCore

/// Makes the CSV row of a contact from its line, without parsing the line as JSON.
///
/// It reads lines in the form that the service writes: no white space, and an object whose members are some of the ten
/// fields, in their order and with texts as values. `ExportTable` makes the same row of such a line, and reads all others.
struct ContactRow {
    /// As in `ExportEncoding`.
    let isForSpreadsheets: Bool

    /// The names of the ten fields as they are before their values.
    private static let names = ContactFieldNames.inOrder.map { Array("\"\($0)\":".utf8) }
    private static let columnsAfter = ["status", "code", "message"].count

    /// Writes the row of a line.
    ///
    /// - Parameter line: A line without its line feed, in UTF-8 and without control characters.
    /// - Returns: Whether the line has this form. Otherwise nothing is written.
    func write(_ line: Range<Int>, of lines: ByteBuffer, to output: inout ByteBuffer) -> Bool {
        let start = output.writerIndex
        var reader = Reader(lines: lines, index: line.lowerBound, end: line.upperBound, self)
        if reader.writeRow(to: &output) { return true }
        output.moveWriterIndex(to: start)
        return false
    }

    /// A position in the line that is read.
    private struct Reader {
        private let lines: ByteBuffer
        private var index: Int
        private let end: Int
        private let isForSpreadsheets: Bool

        init(lines: ByteBuffer, index: Int, end: Int, _ row: ContactRow) {
            // The indices of the span are then those of the buffer.
            self.lines = lines.slice()
            self.index = index - lines.readerIndex
            self.end = end - lines.readerIndex
            isForSpreadsheets = row.isForSpreadsheets
        }

        mutating func writeRow(to output: inout ByteBuffer) -> Bool {
            guard take("{\"type\":\"contact\",\"account_id\":"), writeText(to: &output) else { return false }
            output.writeInteger(UInt8(ascii: ","))
            guard take(",\"as_of\":"), writeText(to: &output), take(",\"billing\":{"), writeMembers(to: &output),
                take("}"), index == end
            else { return false }
            for _ in 0..<ContactRow.columnsAfter { writeEmptyColumn(to: &output) }
            output.writeStaticString("\r\n")
            return true
        }

        /// Reads the members and the end of the object.
        private mutating func writeMembers(to output: inout ByteBuffer) -> Bool {
            var column = 0
            var isFirst = true
            while !take("}") {
                guard isFirst || take(",") else { return false }
                isFirst = false
                while !takeName(column) {
                    writeEmptyColumn(to: &output)
                    column += 1
                    guard column < ContactRow.names.count else { return false }
                }
                column += 1
                output.writeInteger(UInt8(ascii: ","))
                guard writeText(to: &output) else { return false }
                guard column < ContactRow.names.count else { return take("}") }
            }
            for _ in column..<ContactRow.names.count { writeEmptyColumn(to: &output) }
            return true
        }

        /// Takes the name of that column.
        private mutating func takeName(_ column: Int) -> Bool {
            let name = ContactRow.names[column]
            guard end - index > name.count else { return false }
            let lines = lines
            let bytes = lines.readableBytesUInt8Span
            for place in name.indices where bytes[index + place] != name[place] { return false }
            index += name.count
            return true
        }

        private mutating func take(_ text: StaticString) -> Bool {
            guard end - index >= text.utf8CodeUnitCount, lines.begins(with: text, at: index) else { return false }
            index += text.utf8CodeUnitCount
            return true
        }

        private func writeEmptyColumn(to output: inout ByteBuffer) {
            if isForSpreadsheets { output.writeStaticString(",\"\"") } else { output.writeInteger(UInt8(ascii: ",")) }
        }

        /// Reads a JSON string and writes its value.
        private mutating func writeText(to output: inout ByteBuffer) -> Bool {
            guard take("\"") else { return false }
            // A copy, since the span must not overlap with changes of the reader.
            let lines = lines
            let bytes = lines.readableBytesUInt8Span
            let start = index
            var index = start
            var hasComma = false
            while index < end, bytes[index] != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\") {
                if bytes[index] == UInt8(ascii: ",") { hasComma = true }
                index += 1
            }
            guard index < end else { return false }
            guard bytes[index] == UInt8(ascii: "\"") else { return writeEscapedText(to: &output) }
            let text = bytes.extracting(start..<index)
            self.index = index + 1
            let isFormula = isForSpreadsheets && ExportEncoding.beginsFormula(text)
            let isQuoted = isForSpreadsheets || hasComma
            if isQuoted { output.writeInteger(UInt8(ascii: "\"")) }
            if isFormula { output.writeInteger(UInt8(ascii: "'")) }
            output.writeBytes(text.bytes)
            if isQuoted { output.writeInteger(UInt8(ascii: "\"")) }
            return true
        }

        /// Reads the rest of a JSON string with escapes and writes its value.
        private mutating func writeEscapedText(to output: inout ByteBuffer) -> Bool {
            var value: [UInt8] = []
            while let byte = next, byte != UInt8(ascii: "\"") {
                if byte == UInt8(ascii: "\\") {
                    guard let scalar = takeEscape(), let units = UTF8.encode(scalar) else { return false }
                    value.append(contentsOf: units)
                } else {
                    value.append(byte)
                    index += 1
                }
            }
            guard take("\"") else { return false }
            output.writeString(ExportEncoding.field(String(decoding: value, as: UTF8.self), isForSpreadsheets))
            return true
        }

        private var next: UInt8? { index < end ? lines.readableBytesUInt8Span[index] : nil }

        private mutating func takeEscape() -> Unicode.Scalar? {
            index += 1
            guard let escaped = next else { return nil }
            index += 1
            switch escaped {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(escaped)
            case UInt8(ascii: "b"): return "\u{8}"
            case UInt8(ascii: "f"): return "\u{c}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"): return takeCodeUnits()
            default: return nil
            }
        }

        private mutating func takeCodeUnits() -> Unicode.Scalar? {
            guard let unit = takeFourDigits() else { return nil }
            if let scalar = Unicode.Scalar(unit) { return scalar }
            guard UTF16.isLeadSurrogate(unit), take("\\u"), let trail = takeFourDigits(), UTF16.isTrailSurrogate(trail)
            else { return nil }
            return UTF16.decode(UTF16.EncodedScalar([unit, trail]))
        }

        private mutating func takeFourDigits() -> UInt16? {
            var unit: UInt16 = 0
            for _ in 0..<4 {
                guard let digit = next.flatMap(Hexadecimal.value) else { return nil }
                unit = unit << 4 | UInt16(digit)
                index += 1
            }
            return unit
        }
    }
}
