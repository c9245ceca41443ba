/// An operator's own name for a master account or a caller. It stands in logs, in answers and on command lines as it is.
package struct Name: Sendable, Hashable, Comparable, CustomStringConvertible {
    package static let lengthMax = 64

    package let rawValue: String

    /// `nil` unless there are 1 to `lengthMax` characters, each a letter or digit of ASCII or one of `- _ . @ : /`, and
    /// the first is no dash: commands would take it for a flag.
    package init?(_ text: String) {
        guard (1...Self.lengthMax).contains(text.utf8.count), !text.hasPrefix("-") else { return nil }
        guard text.utf8.allSatisfy(Self.isAllowed) else { return nil }
        rawValue = text
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
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
