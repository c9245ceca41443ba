/// A parsed JSON value (RFC 8259). Objects keep the original text of each member, so that unknown members can be forwarded
/// unchanged. A `Decoder` would lose them.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The original digits.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Parses strictly.
    ///
    /// - Parameters:
    ///   - depthMax: Maximum nesting of arrays and objects, which bounds the use of the stack.
    ///   - keepsText: Whether members have their `text`. Without it, a large document needs a third of the memory.
    /// - Throws: `JSONSyntaxError`, also if anything but whitespace follows the value.
    package init(parsing bytes: [UInt8], depthMax: Int = 32, keepsText: Bool = true) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax, keepsText: keepsText)
        self = try parser.parseDocument()
    }

    /// Parses leniently, as responses of Zoom need: see `JSONParser`. Truncated or ambiguous text is still refused.
    package init(readingLeniently bytes: [UInt8], depthMax: Int = 32) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax, keepsText: true, isLenient: true)
        self = try parser.parseDocument()
    }

    package var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    package var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    package var string: String? { if case .string(let string) = self { string } else { nil } }

    /// The value of an integer, or of a string that contains one. Zoom sends error codes in both forms.
    package var integer: Int? {
        switch self {
        case .number(let text), .string(let text): Int(text)
        case .null, .bool, .array, .object: nil
        }
    }

    /// The text of a string or a number, since some senders write `94607` instead of `"94607"`.
    package var text: String? {
        switch self {
        case .number(let text), .string(let text): text
        case .null, .bool, .array, .object: nil
        }
    }
}

/// The members of an object in their original order.
package struct JSONObject: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSONValue
        /// The value's original text without insignificant whitespace, on one line. Empty if the parser did not keep it.
        /// Usually a part of the whole text.
        package let text: ArraySlice<UInt8>
    }

    package let members: [Member]

    /// The first member name that occurs twice; `nil` if all are unique.
    package var firstRepeatedName: String? {
        var seen: Set<String> = []
        return members.first { !seen.insert($0.name).inserted }?.name
    }

    /// The value of the last member with that name.
    package subscript(_ name: String) -> JSONValue? {
        members.last { $0.name == name }?.value
    }
}

/// A syntax error and its position. Never contains the text.
package struct JSONSyntaxError: Error, Equatable, CustomStringConvertible {
    /// Bytes from the start of the text.
    package let offset: Int
    package let problem: String

    package var description: String { "\(problem) at byte \(offset)" }
}
