package import NIOCore

extension ByteBuffer {
    /// Writes a JSON string, quotes and all. Besides what RFC 8259 demands, DEL and the line separators U+2028 and
    /// U+2029 are escaped, so that a line of NDJSON stays one line for every reader.
    package mutating func writeJSONString(_ text: String) {
        writeInteger(UInt8(ascii: "\""))
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            writeString(text)
        } else {
            for scalar in text.unicodeScalars { writeEscaping(scalar) }
        }
        writeInteger(UInt8(ascii: "\""))
    }

    private mutating func writeEscaping(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": writeStaticString("\\\"")
        case "\\": writeStaticString("\\\\")
        case "\n": writeStaticString("\\n")
        case "\r": writeStaticString("\\r")
        case "\t": writeStaticString("\\t")
        case _ where scalar.value < 0x20 || scalar.value == 0x7F || scalar.value == 0x2028 || scalar.value == 0x2029:
            let digits = String(scalar.value, radix: 16)
            writeString("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
        default: writeBytes(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Writes an object; `body` writes its members.
    package mutating func writeJSONObject(_ body: (inout JSONMemberWriter) -> Void) {
        writeInteger(UInt8(ascii: "{"))
        var writer = JSONMemberWriter(buffer: self)
        self = ByteBuffer()
        body(&writer)
        self = writer.buffer
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
    fileprivate var buffer: ByteBuffer
    private var isFirst = true

    fileprivate init(buffer: ByteBuffer) {
        self.buffer = buffer
    }

    /// A name known when the program is written, which needs no escape.
    private mutating func writeName(_ name: StaticString) {
        buffer.writeStaticString(isFirst ? "\"" : ",\"")
        isFirst = false
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
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

    /// A member whose value `write` writes.
    package mutating func member(_ name: StaticString, write: (inout ByteBuffer) -> Void) {
        writeName(name)
        write(&buffer)
    }

    /// A member that is passed on as it came.
    package mutating func member(named name: String, text: [UInt8]) {
        member(named: name) { $0.writeBytes(text) }
    }

    /// A member whose value `write` writes, under a name that may be anything.
    package mutating func member(named name: String, write: (inout ByteBuffer) -> Void) {
        if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
        isFirst = false
        buffer.writeJSONString(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        write(&buffer)
    }
}
