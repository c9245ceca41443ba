package import NIOCore

extension ByteBuffer {
    /// Writes a JSON string with its quotes.
    ///
    /// Besides the characters that RFC 8259 requires, it escapes DEL and all line ends of common readers. Python's
    /// `str.splitlines` ends lines at U+000A to U+000D, U+001C to U+001E, U+0085, U+2028 and U+2029.
    package mutating func writeJSONString(_ text: String) {
        let bytes = text.utf8.span
        var escape = 0
        while escape < bytes.count, !Self.mayBeEscaped(bytes[escape]) { escape += 1 }
        // Almost every string: one write.
        guard escape < bytes.count else {
            writeWithOutputRawSpan(minimumWritableBytes: bytes.count + 2) { output in
                output.append(UInt8(ascii: "\""))
                for index in bytes.indices { output.append(bytes[index]) }
                output.append(UInt8(ascii: "\""))
            }
            return
        }
        writeInteger(UInt8(ascii: "\""))
        // Everything before is written. Bytes between two escapes are copied at once.
        var start = 0
        var index = 0
        while index < bytes.count {
            guard let (scalar, length) = Self.escaped(at: index, in: bytes) else {
                index += 1
                continue
            }
            writeBytes(bytes.extracting(start..<index).bytes)
            writeShortestEscape(scalar)
            index += length
            start = index
        }
        writeBytes(bytes.extracting(start..<index).bytes)
        writeInteger(UInt8(ascii: "\""))
    }

    /// Whether a character that is escaped begins with this byte.
    private static func mayBeEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F || byte == 0xC2
            || byte == 0xE2
    }

    /// The character at `index` and its length, if it is escaped.
    private static func escaped(at index: Int, in bytes: Span<UInt8>) -> (scalar: UInt32, length: Int)? {
        switch bytes[index] {
        case let byte where byte < 0x20: (UInt32(byte), 1)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x7F: (UInt32(bytes[index]), 1)
        // In valid UTF-8, one byte follows 0xC2, and two follow 0xE2.
        case 0xC2 where bytes[index + 1] == 0x85: (0x85, 2)
        case 0xE2 where bytes[index + 1] == 0x80 && bytes[index + 2] & 0xFE == 0xA8:
            (0x2000 | UInt32(bytes[index + 2] & 0x3F), 3)
        default: nil
        }
    }

    private mutating func writeShortestEscape(_ scalar: UInt32) {
        switch scalar {
        case 0x22: writeStaticString("\\\"")
        case 0x5C: writeStaticString("\\\\")
        case 0x0A: writeStaticString("\\n")
        case 0x0D: writeStaticString("\\r")
        case 0x09: writeStaticString("\\t")
        default: writeEscape(scalar)
        }
    }

    /// The line ends outside ASCII.
    private static let lineEnds: [(utf8: [UInt8], scalar: UInt32)] = [
        ([0xC2, 0x85], 0x85), ([0xE2, 0x80, 0xA8], 0x2028), ([0xE2, 0x80, 0xA9], 0x2029),
    ]

    /// Writes `\uXXXX`, for a character below U+10000.
    private mutating func writeEscape(_ scalar: UInt32) {
        let digits = String(scalar, radix: 16)
        writeString("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
    }

    /// Writes the text of a JSON value unchanged, with its digits and escapes.
    ///
    /// Exceptions: characters in strings that `writeJSONString` escapes are escaped here too, and line breaks and tabs
    /// outside strings are omitted.
    ///
    /// - Parameter text: A valid JSON value in UTF-8.
    package mutating func writeJSONText(_ text: some Collection<UInt8>) {
        // Fast path for values without such bytes: one copy.
        guard text.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 || $0 == 0xE2 }) else {
            writeBytes(text)
            return
        }
        var isInString = false
        var isEscaped = false
        var rest = text[...]
        while let byte = rest.first {
            // Line ends outside ASCII have two bytes after 0xC2, three after 0xE2.
            let character = rest.prefix(byte == 0xC2 ? 2 : byte == 0xE2 ? 3 : 1)
            rest = rest.dropFirst(character.count)
            if byte < 0x20, !isInString { continue }
            if byte < 0x20 || byte == 0x7F {
                writeEscape(UInt32(byte))
            } else if let lineEnd = Self.lineEnds.first(where: { character.elementsEqual($0.utf8) }) {
                writeEscape(lineEnd.scalar)
            } else {
                writeBytes(character)
            }
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString.toggle()
            }
        }
    }

    /// Writes an object; `body` writes its members.
    package mutating func writeJSONObject(_ body: (inout JSONMemberWriter) -> Void) {
        writeInteger(UInt8(ascii: "{"))
        // The buffer has one reference at any time, so that writing never copies what it contains.
        var writer = JSONMemberWriter()
        swap(&self, &writer.buffer)
        body(&writer)
        swap(&self, &writer.buffer)
        writeInteger(UInt8(ascii: "}"))
    }

    /// Writes an array; `write` writes each element.
    package mutating func writeJSONArray<Element>(
        _ elements: some Sequence<Element>, _ write: (inout ByteBuffer, Element) -> Void
    ) {
        writeInteger(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if !isFirst { writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            write(&self, element)
        }
        writeInteger(UInt8(ascii: "]"))
    }
}

/// Writes the members of one JSON object.
package struct JSONMemberWriter {
    fileprivate var buffer = ByteBuffer()
    private var isFirst = true

    fileprivate init() {}

    /// Writes a name that needs no escapes.
    private mutating func writeName(_ name: StaticString) {
        buffer.writeWithOutputRawSpan(minimumWritableBytes: name.utf8CodeUnitCount + 4) { output in
            if !isFirst { output.append(UInt8(ascii: ",")) }
            output.append(UInt8(ascii: "\""))
            name.withUTF8Buffer { for byte in $0 { output.append(byte) } }
            output.append(UInt8(ascii: "\""))
            output.append(UInt8(ascii: ":"))
        }
        isFirst = false
    }

    package mutating func member(_ name: StaticString, _ value: String?) {
        writeName(name)
        if let value { buffer.writeJSONString(value) } else { buffer.writeStaticString("null") }
    }

    package mutating func member(_ name: StaticString, _ value: Int?) {
        writeName(name)
        if let value { buffer.writeString(String(value)) } else { buffer.writeStaticString("null") }
    }

    package mutating func member(_ name: StaticString, _ value: Bool) {
        writeName(name)
        buffer.writeStaticString(value ? "true" : "false")
    }

    /// Writes a member; `write` writes its value.
    package mutating func member(_ name: StaticString, write: (inout ByteBuffer) -> Void) {
        writeName(name)
        write(&buffer)
    }

    /// Writes a member whose value is JSON text from another source; see `writeJSONText`.
    package mutating func member(named name: String, text: some Collection<UInt8>) {
        member(named: name) { $0.writeJSONText(text) }
    }

    /// Writes a member with any name; `write` writes its value.
    package mutating func member(named name: String, write: (inout ByteBuffer) -> Void) {
        if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
        isFirst = false
        buffer.writeJSONString(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        write(&buffer)
    }
}
