import Adapters

/// Makes the CSV row of a contact from its line, without parsing the line as JSON.
///
/// It reads lines in the form that the service writes: no white space, and an object whose members are some of the ten
/// fields, in their order and with texts as values. `ExportTable` makes the same row of such a line, and reads all others.
struct ContactRow {
    /// As in `ExportEncoding`.
    let isForSpreadsheets: Bool

    private static let head = Array("{\"type\":\"contact\",\"account_id\":".utf8)
    private static let time = Array(",\"as_of\":".utf8)
    private static let object = Array(",\"billing\":{".utf8)

    /// The names of the ten fields as they are before their values.
    private static let names = ContactFieldNames.inOrder.map { Array("\"\($0)\":".utf8) }
    private static let columnsAfter = ["status", "code", "message"].count

    /// Writes the row of a line.
    ///
    /// - Parameter line: A line without its line feed, in UTF-8 and without control characters.
    /// - Returns: Whether the line has this form. Otherwise nothing is written.
    func write(_ line: Span<UInt8>, to output: inout [UInt8]) -> Bool {
        let start = output.count
        var index = 0
        if writeRow(line, &index, &output), index == line.count { return true }
        output.removeLast(output.count - start)
        return false
    }

    // Each function reads from `index`, advances it, and returns false for another form.

    private func writeRow(_ line: Span<UInt8>, _ index: inout Int, _ output: inout [UInt8]) -> Bool {
        guard Self.take(Self.head, line, &index), writeText(line, &index, &output) else { return false }
        output.append(UInt8(ascii: ","))
        guard Self.take(Self.time, line, &index), writeText(line, &index, &output),
            Self.take(Self.object, line, &index), writeMembers(line, &index, &output),
            Self.take(UInt8(ascii: "}"), line, &index)
        else { return false }
        for _ in 0..<Self.columnsAfter { writeEmptyColumn(&output) }
        output.append(0x0D)
        output.append(0x0A)
        return true
    }

    /// Reads the members and the end of the object.
    private func writeMembers(_ line: Span<UInt8>, _ index: inout Int, _ output: inout [UInt8]) -> Bool {
        var isFirst = true
        for column in Self.names.indices {
            let place = index
            guard isFirst || Self.take(UInt8(ascii: ","), line, &index), Self.take(Self.names[column], line, &index)
            else {
                index = place
                writeEmptyColumn(&output)
                continue
            }
            isFirst = false
            output.append(UInt8(ascii: ","))
            guard writeText(line, &index, &output) else { return false }
        }
        return Self.take(UInt8(ascii: "}"), line, &index)
    }

    private static func take(_ text: [UInt8], _ line: Span<UInt8>, _ index: inout Int) -> Bool {
        guard line.count - index >= text.count else { return false }
        for place in text.indices where line[index + place] != text[place] { return false }
        index += text.count
        return true
    }

    private static func take(_ byte: UInt8, _ line: Span<UInt8>, _ index: inout Int) -> Bool {
        guard index < line.count, line[index] == byte else { return false }
        index += 1
        return true
    }

    private func writeEmptyColumn(_ output: inout [UInt8]) {
        output.append(UInt8(ascii: ","))
        if isForSpreadsheets {
            output.append(UInt8(ascii: "\""))
            output.append(UInt8(ascii: "\""))
        }
    }

    /// Reads a JSON string and writes its value.
    private func writeText(_ line: Span<UInt8>, _ index: inout Int, _ output: inout [UInt8]) -> Bool {
        guard Self.take(UInt8(ascii: "\""), line, &index) else { return false }
        var end = index
        var hasComma = false
        while end < line.count, line[end] != UInt8(ascii: "\""), line[end] != UInt8(ascii: "\\") {
            if line[end] == UInt8(ascii: ",") { hasComma = true }
            end += 1
        }
        guard end < line.count else { return false }
        guard line[end] == UInt8(ascii: "\"") else { return writeEscapedText(line, &index, &output) }
        let isQuoted = isForSpreadsheets || hasComma
        if isQuoted { output.append(UInt8(ascii: "\"")) }
        if isForSpreadsheets, ExportEncoding.beginsFormula(line.extracting(index..<end)) {
            output.append(UInt8(ascii: "'"))
        }
        for place in index..<end { output.append(line[place]) }
        if isQuoted { output.append(UInt8(ascii: "\"")) }
        index = end + 1
        return true
    }

    /// Reads the rest of a JSON string with escapes and writes its value.
    private func writeEscapedText(_ line: Span<UInt8>, _ index: inout Int, _ output: inout [UInt8]) -> Bool {
        var value: [UInt8] = []
        while index < line.count, line[index] != UInt8(ascii: "\"") {
            if line[index] == UInt8(ascii: "\\") {
                index += 1
                guard let scalar = Self.takeEscape(line, &index), let units = UTF8.encode(scalar) else { return false }
                value.append(contentsOf: units)
            } else {
                value.append(line[index])
                index += 1
            }
        }
        guard Self.take(UInt8(ascii: "\""), line, &index) else { return false }
        output.append(contentsOf: ExportEncoding.field(String(decoding: value, as: UTF8.self), isForSpreadsheets).utf8)
        return true
    }

    /// Reads an escape without its backslash (RFC 8259, 7).
    private static func takeEscape(_ line: Span<UInt8>, _ index: inout Int) -> Unicode.Scalar? {
        guard index < line.count else { return nil }
        let escaped = line[index]
        index += 1
        switch escaped {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(escaped)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let unit = takeFourDigits(line, &index) else { return nil }
            if let scalar = Unicode.Scalar(unit) { return scalar }
            guard UTF16.isLeadSurrogate(unit), take([UInt8(ascii: "\\"), UInt8(ascii: "u")], line, &index),
                let trail = takeFourDigits(line, &index), UTF16.isTrailSurrogate(trail)
            else { return nil }
            return UTF16.decode(UTF16.EncodedScalar([unit, trail]))
        case _: return nil
        }
    }

    private static func takeFourDigits(_ line: Span<UInt8>, _ index: inout Int) -> UInt16? {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard index < line.count, let digit = Hexadecimal.value(of: line[index]) else { return nil }
            unit = unit << 4 | UInt16(digit)
            index += 1
        }
        return unit
    }
}
