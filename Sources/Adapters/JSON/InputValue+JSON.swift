package import Domain
package import NIOCore

extension InputValue {
    /// The same value in the domain's terms. A member that occurs twice stays twice.
    package init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .boolean(value)
        case .number(let digits): self = .number(digits)
        case .string(let text): self = .text(text)
        case .array(let elements): self = .list(elements.map { InputValue($0) })
        case .object(let object):
            self = .object(object.members.map { Member(name: $0.name, value: InputValue($0.value)) })
        }
    }
}

extension ByteBuffer {
    /// Writes a value as JSON, on one line.
    package mutating func writeJSON(_ value: InputValue) {
        switch value {
        case .null: writeStaticString("null")
        case .boolean(let value): writeStaticString(value ? "true" : "false")
        case .number(let digits): writeString(digits)
        case .text(let text): writeJSONString(text)
        case .list(let elements): writeJSONArray(elements) { $0.writeJSON($1) }
        case .object(let members):
            writeJSONObject { object in
                for member in members { object.member(named: member.name) { $0.writeJSON(member.value) } }
            }
        }
    }
}
