/// A reply of Redis, or an element of one (RESP2).
package enum RedisValue: Sendable, Equatable {
    case null
    case integer(Int64)
    /// A bulk string or a status such as `OK`.
    case text([UInt8])
    case array([RedisValue])
    /// An error inside an array. An error as the whole reply is thrown as `RedisFailure.refused`.
    case error(RedisErrorReply)

    package static func text(_ text: String) -> RedisValue { .text(Array(text.utf8)) }

    package static let ok = RedisValue.text("OK")

    /// The bytes of a text; nil for another value.
    package var bytes: [UInt8]? { if case .text(let bytes) = self { bytes } else { nil } }

    /// A text as UTF-8; nil for another value. Invalid bytes are replaced.
    package var string: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    /// A number: an integer, or a text in decimal digits; nil for another value.
    package var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .text(let bytes): Int64(String(decoding: bytes, as: UTF8.self))
        case .null, .array, .error: nil
        }
    }

    /// The time in the reply of `TIME`, in milliseconds since 1970; nil for another value.
    package var milliseconds: Int64? {
        guard let parts = elements, parts.count == 2, let seconds = parts[0].integer,
            let microseconds = parts[1].integer
        else { return nil }
        return seconds * 1000 + microseconds / 1000
    }

    /// The elements of an array; nil for another value.
    package var elements: [RedisValue]? { if case .array(let elements) = self { elements } else { nil } }
}

/// An error reply, such as `-NOSCRIPT No matching script`.
package struct RedisErrorReply: Sendable, Equatable, CustomStringConvertible {
    /// The first word: `NOSCRIPT`, `OOM`, `NOPERM`, `READONLY`, `LOADING`, `MISCONF`, `WRONGPASS`, `ERR`.
    package let code: String

    /// The rest. It can contain arguments of the command, so it is for decisions and not for logs.
    package let message: String

    package init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    /// - Parameter line: The reply without the leading `-`.
    init(line: String) {
        let (code, message) = line.firstIndex(of: " ").map { (line[..<$0], line[$0...].dropFirst()) } ?? (line[...], "")
        let isCode = !code.isEmpty && code.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        self.init(code: isCode ? String(code) : "ERR", message: isCode ? String(message) : line)
    }

    /// The code alone, without parts of the command.
    package var description: String { String(code.prefix(32)) }
}
