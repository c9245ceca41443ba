import NIOCore

extension JSONValue {
    /// The value as strict JSON, on one line.
    package var serialized: [UInt8] {
        var buffer = ByteBuffer()
        write(to: &buffer)
        return Array(buffer.readableBytesView)
    }

    private func write(to buffer: inout ByteBuffer) {
        switch self {
        case .null: buffer.writeStaticString("null")
        case .bool(let value): buffer.writeStaticString(value ? "true" : "false")
        case .number(let text): buffer.writeString(text)
        case .string(let text): buffer.writeJSONString(text)
        case .array(let elements): buffer.writeJSONArray(elements) { $1.write(to: &$0) }
        case .object(let object):
            buffer.writeJSONObject { writer in
                for member in object.members { writer.member(named: member.name) { member.value.write(to: &$0) } }
            }
        }
    }
}
