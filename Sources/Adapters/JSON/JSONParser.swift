/// Reads one JSON text, strictly by RFC 8259: valid UTF-8, no trailing commas, no comments.
struct JSONParser {
    private let bytes: [UInt8]
    private let depthMax: Int
    private let keepsText: Bool
    private var offset = 0

    init(bytes: [UInt8], depthMax: Int, keepsText: Bool) {
        self.bytes = bytes
        self.depthMax = depthMax
        self.keepsText = keepsText
    }

    mutating func parseDocument() throws(JSONSyntaxError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipBlanks()
        guard offset == bytes.count else { throw problem("something follows the value") }
        return value
    }

    private func problem(_ text: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: offset, problem: text)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    /// Takes `byte` if it comes next.
    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func parseValue(depth: Int) throws(JSONSyntaxError) -> JSONValue {
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case nil: throw problem("the text ends where a value should be")
        case let byte?:
            guard byte == UInt8(ascii: "-") || Self.isDigit(byte) else { throw problem("no value begins like this") }
            return .number(try parseNumber())
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard word.withUTF8Buffer({ bytes[offset...].starts(with: $0) }) else { throw problem("unknown word") }
        offset += count
        return value
    }

    private mutating func parseObject(depth: Int) throws(JSONSyntaxError) -> JSONObject {
        guard depth < depthMax else { throw problem("nested too deep") }
        offset += 1
        var members: [JSONObject.Member] = []
        skipBlanks()
        if take(UInt8(ascii: "}")) { return JSONObject(members: members) }
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw problem("a member's name should be here") }
            let name = try parseString()
            skipBlanks()
            guard take(UInt8(ascii: ":")) else { throw problem("a colon should be here") }
            skipBlanks()
            let start = offset
            let value = try parseValue(depth: depth + 1)
            let text = keepsText ? Self.withoutBlanks(bytes[start..<offset]) : []
            members.append(.init(name: name, value: value, text: text))
            skipBlanks()
            if take(UInt8(ascii: "}")) { return JSONObject(members: members) }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or the object's end should be here") }
        }
    }

    /// The text of a value that was read, less the blanks and line breaks between its parts.
    private static func withoutBlanks(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var isInString = false
        var isEscaped = false
        return text.filter { byte in
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                return true
            }
            isInString = byte == UInt8(ascii: "\"")
            return byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONSyntaxError) -> [JSONValue] {
        guard depth < depthMax else { throw problem("nested too deep") }
        offset += 1
        var values: [JSONValue] = []
        skipBlanks()
        if take(UInt8(ascii: "]")) { return values }
        while true {
            values.append(try parseValue(depth: depth + 1))
            skipBlanks()
            if take(UInt8(ascii: "]")) { return values }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or the array's end should be here") }
        }
    }

    private mutating func parseNumber() throws(JSONSyntaxError) -> String {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try parseDigits() }
        if take(UInt8(ascii: ".")) { try parseDigits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try parseDigits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func parseDigits() throws(JSONSyntaxError) {
        let start = offset
        while let byte = next, Self.isDigit(byte) { offset += 1 }
        guard offset > start else { throw problem("a digit should be here") }
    }

    private mutating func parseString() throws(JSONSyntaxError) -> String {
        offset += 1
        let start = offset
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        // Most strings have no escape: one copy does.
        if next == UInt8(ascii: "\"") {
            defer { offset += 1 }
            return try text(of: bytes[start..<offset])
        }
        var unescaped = Array(bytes[start..<offset])
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return try text(of: unescaped[...])
            case UInt8(ascii: "\\"):
                offset += 1
                unescaped.append(contentsOf: try parseEscape().utf8)
            case 0..<0x20:
                throw problem("a control character in a string")
            default:
                unescaped.append(byte)
                offset += 1
            }
        }
        throw problem("the text ends in a string")
    }

    private func text(of bytes: ArraySlice<UInt8>) throws(JSONSyntaxError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw problem("a string is not UTF-8") }
        return text
    }

    private mutating func parseEscape() throws(JSONSyntaxError) -> String {
        guard let byte = next else { throw problem("the text ends in a string") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return String(Character(try parseUnicodeEscape()))
        default: throw problem("unknown escape")
        }
    }

    private mutating func parseUnicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let unit = try parseFourDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw problem("half a surrogate pair")
        }
        let trail = try parseFourDigits()
        guard UTF16.isTrailSurrogate(trail) else { throw problem("half a surrogate pair") }
        return UTF16.decode(UTF16.EncodedScalar([unit, trail]))
    }

    private mutating func parseFourDigits() throws(JSONSyntaxError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
                throw problem("a hexadecimal digit should be here")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}
