/// An operator's name for a master account or a caller. It needs no escaping in logs, answers and command lines.
package struct Name: Sendable, Hashable, Comparable, CustomStringConvertible {
    package static let lengthMax = 64

    package let rawValue: String

    /// `nil` unless the text has 1 to `lengthMax` characters, each an ASCII letter or digit or one of `- _ . @ : /`.
    /// The first must not be a dash: commands would parse it as a flag.
    package init?(_ text: String) {
        guard (1...Self.lengthMax).contains(text.utf8.count), !text.hasPrefix("-") else { return nil }
        guard text.utf8.allSatisfy(Self.isAllowed) else { return nil }
        rawValue = text
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        if byte.isASCIILetterOrDigit { return true }
        return switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "@"), UInt8(ascii: ":"),
            UInt8(ascii: "/"):
            true
        default:
            false
        }
    }

    package static func < (left: Name, right: Name) -> Bool { left.rawValue < right.rawValue }

    package var description: String { rawValue }
}
