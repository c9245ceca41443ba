import Adapters

/// Makes text of other programs safe for a terminal.
enum TerminalText {
    /// The text on one line, with control characters and bidirectional controls written as `\u{…}`.
    ///
    /// The characters in which `SystemText` encodes bytes are escaped too: `Output` would write them as these bytes.
    static func escaped(_ text: String) -> String {
        let escaped = LogText.escaped(text, bytesMax: .max)
        guard escaped.utf8.contains(0xF4) else { return escaped }
        return escaped.unicodeScalars.reduce(into: "") { result, scalar in
            if SystemText.escapes.contains(scalar.value) {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }
}
