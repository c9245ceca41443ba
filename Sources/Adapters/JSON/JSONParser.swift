/// Parses one JSON text, strictly by RFC 8259 (valid UTF-8, no trailing commas, no comments) or leniently.
///
/// Lenient parsing repairs mistakes inside values and names whose ends are unambiguous:
/// - Lone surrogates and invalid UTF-8 become U+FFFD.
/// - Strings may contain control characters and unknown escapes.
/// - Invalid words and numbers, such as `NaN` and `01`, become strings.
/// - Values that are nested too deeply become null.
struct JSONParser {
    private let bytes: [UInt8]
    private let depthMax: Int
    private let keepsText: Bool
    private let isLenient: Bool
    private var offset = 0

    /// The members of most objects: room for them is reserved.
    private static let usualMembers = 10

    /// The number of repairs that lenient parsing made.
    private var repairs = 0

    /// The number of bytes of whitespace between tokens so far.
    private var whitespace = 0

    init(bytes: [UInt8], depthMax: Int, keepsText: Bool, isLenient: Bool = false) {
        self.bytes = bytes
        self.depthMax = depthMax
        self.keepsText = keepsText
        self.isLenient = isLenient
        // A byte order mark may be ignored (RFC 8259, 8.1).
        if isLenient, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    mutating func parseDocument() throws(JSONSyntaxError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipWhitespace()
        guard offset == bytes.count else { throw problem("unexpected text after the value") }
        return value
    }

    private func problem(_ text: String) -> JSONSyntaxError {
        JSONSyntaxError(offset: offset, problem: text)
    }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipWhitespace() {
        let start = offset
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
        whitespace += offset - start
    }

    /// Consumes the next byte if it is `byte`.
    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func parseValue(depth: Int) throws(JSONSyntaxError) -> JSONValue {
        skipWhitespace()
        switch next {
        case UInt8(ascii: "{")?, UInt8(ascii: "[")?:
            if isLenient, depth >= depthMax { return try skipNested() }
            return next == UInt8(ascii: "{")
                ? .object(try parseObject(depth: depth)) : .array(try parseArray(depth: depth))
        case UInt8(ascii: "\"")?: return .string(try parseString())
        case nil: throw problem("the text ends where a value is expected")
        case _?: return isLenient ? try parseScalarLeniently() : try parseScalar()
        }
    }

    private mutating func parseScalar() throws(JSONSyntaxError) -> JSONValue {
        switch next {
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case let byte:
            guard let byte, byte == UInt8(ascii: "-") || byte.isASCIIDigit else {
                throw problem("a value is expected")
            }
            return .number(try parseNumber())
        }
    }

    // MARK: Leniency

    private static func endsScalar(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
            || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "\"")
    }

    /// Parses a word or number. Other text, such as 01234 or NaN, becomes a string.
    private mutating func parseScalarLeniently() throws(JSONSyntaxError) -> JSONValue {
        let start = offset
        do throws(JSONSyntaxError) {
            let value = try parseScalar()
            if next.map(Self.endsScalar) ?? true { return value }
        } catch {}
        offset = start
        while let byte = next, !Self.endsScalar(byte) { offset += 1 }
        // No value at all, as before a second comma.
        guard offset > start else { throw problem("a value is expected") }
        repairs += 1
        return .string(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    /// Skips an object or array without recursion.
    private mutating func skipNested() throws(JSONSyntaxError) -> JSONValue {
        var depth = 0
        repeat {
            guard let byte = next else { throw problem("the text ends in a value") }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""):
                _ = try parseString()
                continue
            default: break
            }
            offset += 1
        } while depth > 0
        repairs += 1
        return .null
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let count = word.utf8CodeUnitCount
        guard word.withUTF8Buffer({ bytes[offset...].starts(with: $0) }) else { throw problem("unknown word") }
        offset += count
        return value
    }

    private mutating func parseObject(depth: Int) throws(JSONSyntaxError) -> JSONObject {
        guard depth < depthMax else { throw problem("nested too deeply") }
        offset += 1
        var members: [JSONObject.Member] = []
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return JSONObject(members: members) }
        while true {
            skipWhitespace()
            guard next == UInt8(ascii: "\"") else { throw problem("a member name is expected") }
            let name = try parseString()
            skipWhitespace()
            guard take(UInt8(ascii: ":")) else { throw problem("a colon is expected") }
            skipWhitespace()
            let start = offset
            let (repairsBefore, whitespaceBefore) = (repairs, whitespace)
            let value = try parseValue(depth: depth + 1)
            // A repaired value is serialized as strict JSON, since the receiver may parse strictly.
            let text: ArraySlice<UInt8> =
                if !keepsText {
                    []
                } else if repairs > repairsBefore {
                    value.serialized[...]
                } else if whitespace > whitespaceBefore {
                    Self.withoutWhitespace(bytes[start..<offset])[...]
                } else {
                    bytes[start..<offset]
                }
            if members.isEmpty { members.reserveCapacity(Self.usualMembers) }
            members.append(.init(name: name, value: value, text: text))
            skipWhitespace()
            if take(UInt8(ascii: "}")) { return JSONObject(members: members) }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or the object's end is expected") }
        }
    }

    /// The text of a valid value without insignificant whitespace.
    private static func withoutWhitespace(_ text: ArraySlice<UInt8>) -> [UInt8] {
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
        guard depth < depthMax else { throw problem("nested too deeply") }
        offset += 1
        var values: [JSONValue] = []
        skipWhitespace()
        if take(UInt8(ascii: "]")) { return values }
        while true {
            values.append(try parseValue(depth: depth + 1))
            skipWhitespace()
            if take(UInt8(ascii: "]")) { return values }
            guard take(UInt8(ascii: ",")) else { throw problem("a comma or the array's end is expected") }
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
        while let byte = next, byte.isASCIIDigit { offset += 1 }
        guard offset > start else { throw problem("a digit is expected") }
    }

    private mutating func parseString() throws(JSONSyntaxError) -> String {
        offset += 1
        let start = offset
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        // Fast path for strings without escapes: one copy.
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
                guard isLenient else { throw problem("a control character in a string") }
                repairs += 1
                unescaped.append(byte)
                offset += 1
            default:
                unescaped.append(byte)
                offset += 1
            }
        }
        throw problem("the text ends in a string")
    }

    private mutating func text(of bytes: ArraySlice<UInt8>) throws(JSONSyntaxError) -> String {
        // The quickest way to a string, for the usual text.
        if bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        guard isLenient else { throw problem("a string is not UTF-8") }
        repairs += 1
        return String(decoding: bytes, as: UTF8.self)
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
        case UInt8(ascii: "u"):
            let start = offset
            let repairsBefore = repairs
            do throws(JSONSyntaxError) {
                return String(Character(try parseUnicodeEscape()))
            } catch {
                guard isLenient else { throw error }
                // A valid character may follow the lone surrogate.
                offset = start
                repairs = repairsBefore + 1
                for _ in 0..<4 where next.flatMap(Hexadecimal.value) != nil { offset += 1 }
                return "\u{FFFD}"
            }
        default:
            guard isLenient else { throw problem("unknown escape") }
            repairs += 1
            // The backslash is dropped. Control characters and multi-byte characters are parsed as without it.
            guard byte >= 0x20, byte < 0x80 else {
                offset -= 1
                return ""
            }
            return String(Unicode.Scalar(byte))
        }
    }

    private mutating func parseUnicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let unit = try parseFourDigits()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw problem("a lone surrogate")
        }
        let trail = try parseFourDigits()
        guard UTF16.isTrailSurrogate(trail) else { throw problem("a lone surrogate") }
        return UTF16.decode(UTF16.EncodedScalar([unit, trail]))
    }

    private mutating func parseFourDigits() throws(JSONSyntaxError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Hexadecimal.value(of: byte) else {
                throw problem("a hexadecimal digit is expected")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}
