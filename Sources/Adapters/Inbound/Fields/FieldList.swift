/// Splits field values that are lists (RFC 9110, 5.6.1), and their members' parameters.
enum FieldList {
    /// The parts of `text` between separators outside quotes, without surrounding blanks. Empty parts are left out.
    ///
    /// - Parameters:
    ///   - separator: A comma between members, a semicolon between parameters.
    ///   - hasEscapes: Whether a backslash in quotes escapes the next character. It does in a quoted string (5.6.4), and
    ///     does not in an entity tag (8.8.3).
    static func parts(of text: Substring, separator: Character = ",", hasEscapes: Bool = true) -> [Substring] {
        var parts: [Substring] = []
        var isQuoted = false
        var isEscaped = false
        var start = text.startIndex
        func end(at index: Substring.Index) {
            let part = text[start..<index].trimmed
            if !part.isEmpty { parts.append(part) }
        }
        for index in text.indices {
            let character = text[index]
            if isEscaped {
                isEscaped = false
            } else if character == "\"" {
                isQuoted.toggle()
            } else if isQuoted {
                isEscaped = hasEscapes && character == "\\"
            } else if character == separator {
                end(at: index)
                start = text.index(after: index)
            }
        }
        end(at: text.endIndex)
        return parts
    }
}
