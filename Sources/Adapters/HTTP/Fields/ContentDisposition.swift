/// The header field `Content-Disposition` (RFC 6266).
package enum ContentDisposition {
    /// The file name of a field value: `filename*` if it is there and in UTF-8, otherwise `filename`. `nil` if there is none.
    ///
    /// The sender chose the name. It may hold paths and control characters.
    package static func fileName(in value: String) -> String? {
        var plain: String?
        var rest = value.drop { $0 != ";" }
        while rest.first == ";" {
            rest = rest.dropFirst().drop(while: isBlank)
            let name = rest.prefix { $0 != "=" && $0 != ";" }.lowercased()
            rest = rest.drop { $0 != "=" && $0 != ";" }
            guard rest.first == "=" else { continue }
            rest = rest.dropFirst().drop(while: isBlank)
            let text = takeValue(&rest)
            switch String(name.trimmed) {
            case "filename*": if let decoded = extended(text) { return decoded }
            case "filename": plain = plain ?? text
            default: break
            }
        }
        return plain
    }

    /// A token or a quoted string (RFC 9110, 5.6.4), up to the next semicolon.
    private static func takeValue(_ rest: inout Substring) -> String {
        guard rest.first == "\"" else {
            let text = rest.prefix { $0 != ";" }
            rest = rest[text.endIndex...]
            return String(text.trimmed)
        }
        var text = ""
        rest = rest.dropFirst()
        while let character = rest.popFirst(), character != "\"" {
            guard character == "\\" else {
                text.append(character)
                continue
            }
            if let escaped = rest.popFirst() { text.append(escaped) }
        }
        rest = rest.drop { $0 != ";" }
        return text
    }

    /// The text of an extended value in UTF-8 (RFC 8187, 3.2.1): `UTF-8'en'caf%C3%A9`.
    private static func extended(_ value: String) -> String? {
        let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
        return PercentEncoding.decode(parts[2].utf8)
    }

    private static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }

    /// The field value for a file that is saved under a name.
    ///
    /// - Parameter name: Visible ASCII and blanks, without quotes and backslashes.
    package static func attachment(named name: String) -> String {
        precondition(
            name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") },
            "the name needs escapes")
        return "attachment; filename=\"\(name)\""
    }
}
