/// A JSON value as it was read (RFC 8259). Objects keep the text of each member, so that what is not understood can be
/// passed on unchanged: the reason for not using a decoder that gives away only what it was asked for.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// As written: no digit is lost.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// - Parameter depthMax: How deep arrays and objects may nest; bounds the stack, whatever comes.
    /// - Parameter keepsText: Whether members have their `text`; without it a large document takes a third of the memory.
    /// - Throws: `JSONSyntaxError`, also if anything but blanks follows the value.
    package init(parsing bytes: [UInt8], depthMax: Int = 32, keepsText: Bool = true) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax, keepsText: keepsText)
        self = try parser.parseDocument()
    }

    /// Reads what Zoom sends, which may hold values and names that are not quite JSON: see `JSONParser`. Text that is cut off,
    /// or that can be read in two ways, is refused here as well.
    package init(readingLeniently bytes: [UInt8], depthMax: Int = 32) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax, keepsText: true, isLenient: true)
        self = try parser.parseDocument()
    }

    package var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    package var array: [JSONValue]? { if case .array(let array) = self { array } else { nil } }
    package var string: String? { if case .string(let string) = self { string } else { nil } }

    /// The integer of a number, or of a string that holds one: both are seen for error codes.
    package var integer: Int? {
        switch self {
        case .number(let text), .string(let text): Int(text)
        case .null, .bool, .array, .object: nil
        }
    }

    /// The text of a string or a number: some senders write `94607` where `"94607"` is meant.
    package var text: String? {
        switch self {
        case .number(let text), .string(let text): text
        case .null, .bool, .array, .object: nil
        }
    }
}

/// The members of an object in their order.
package struct JSONObject: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSONValue
        /// The value's own text, but for blanks and line breaks between its parts: it fits on a line. Empty where it was
        /// not to be kept.
        package let text: [UInt8]
    }

    package let members: [Member]

    /// The name of a member that comes several times.
    package var firstRepeatedName: String? {
        var seen: Set<String> = []
        return members.first { !seen.insert($0.name).inserted }?.name
    }

    /// The value of the member with that name; the last one, if there are several.
    package subscript(_ name: String) -> JSONValue? {
        members.last { $0.name == name }?.value
    }
}

/// The text is not JSON. Says where and what was wrong with it, and never what stood there.
package struct JSONSyntaxError: Error, Equatable, CustomStringConvertible {
    /// In bytes from the start.
    package let offset: Int
    package let problem: String

    package var description: String { "\(problem) at byte \(offset)" }
}
