/// The columns that a text occupies on a terminal.
package enum DisplayWidth {
    /// The number of columns of a text without control characters.
    package static func columns(of text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + columns(of: $1) }
    }

    /// The text, with an ellipsis in place of its end if it is wider than `columnsMax`.
    package static func truncated(_ text: String, columnsMax: Int) -> String {
        guard columns(of: text) > columnsMax else { return text }
        guard columnsMax > 0 else { return "" }
        var truncated = ""
        // One column is for the ellipsis.
        var left = columnsMax - 1
        for character in text {
            left -= columns(of: character)
            if left < 0 { break }
            truncated.append(character)
        }
        return truncated + "…"
    }

    /// Terminals draw a grapheme cluster, such as an emoji with a skin tone or a flag, in at most two columns.
    private static func columns(of character: Character) -> Int {
        var columns = 0
        for scalar in character.unicodeScalars {
            // Selects the emoji form of the preceding character, which is wide.
            if scalar.value == 0xFE0F, columns > 0, character.unicodeScalars.first?.properties.isEmoji ?? false {
                return 2
            }
            columns += Self.columns(of: scalar)
        }
        return min(2, columns)
    }

    private static func columns(of scalar: Unicode.Scalar) -> Int {
        guard scalar.value >= 0x300 else { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return scalar.properties.isEmojiPresentation || isWide(scalar.value) ? 2 : 1
        }
    }

    /// Whether the East Asian width is Wide or Fullwidth (Unicode, UAX #11), without emoji.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        // Hangul Jamo, brackets, CJK and Yi
        case 0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0x3247, 0x3250...0x4DBF, 0x4E00...0xA4CF: true
        // Hangul syllables, CJK compatibility, vertical and full-width forms
        case 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF01...0xFF60: true
        case 0xFFE0...0xFFE6: true
        // Tangut, Nushu, Khitan, historic kana, enclosed CJK, and the planes of ideographs
        case 0x16FE0...0x16FE4, 0x16FF0...0x18D08, 0x1AFF0...0x1B2FB, 0x1F200...0x1F265, 0x20000...0x3FFFD: true
        default: false
        }
    }
}
