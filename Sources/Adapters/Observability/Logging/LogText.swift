/// Makes untrusted text safe for the log: one line, of limited length, without control characters.
package enum LogText {
    /// Maximum UTF-8 bytes of a message.
    static let messageBytesMax = 1024

    /// Maximum UTF-8 bytes of the value of a field.
    package static let fieldBytesMax = 256

    /// The text, truncated to `bytesMax` bytes.
    static func bounded(_ text: String, bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax else { return text }
        var bounded = ""
        for scalar in text.unicodeScalars {
            guard bounded.utf8.count + UTF8.width(scalar) <= bytesMax else { break }
            bounded.unicodeScalars.append(scalar)
        }
        return bounded + "…"
    }

    /// The text, truncated and with line ends, terminal escapes and bidirectional controls written as `\u{…}`.
    package static func escaped(_ text: String, bytesMax: Int = fieldBytesMax) -> String {
        guard text.utf8.count > bytesMax || (!isVisible(text) && text.unicodeScalars.contains(where: needsEscape))
        else {
            return text
        }
        var escaped = ""
        for scalar in text.unicodeScalars {
            let next = needsEscape(scalar) ? "\\u{" + String(scalar.value, radix: 16) + "}" : String(scalar)
            guard escaped.utf8.count + next.utf8.count <= bytesMax else { return escaped + "…" }
            escaped += next
        }
        return escaped
    }

    /// Whether all characters are visible ASCII or spaces, as in nearly all texts.
    private static func isVisible(_ text: String) -> Bool {
        let bytes = text.utf8.span
        for index in 0..<bytes.count where !(0x20..<0x7F).contains(bytes[index]) { return false }
        return true
    }

    /// Whether it is a control character, line end or bidirectional control (Unicode, UAX #9 and UAX #14).
    private static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension UTF8 {
    fileprivate static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case ..<0x80: 1
        case ..<0x800: 2
        case ..<0x1_0000: 3
        default: 4
        }
    }
}
