/// The form of the identifiers that Zoom issues: opaque, and valid in a path segment without escaping.
enum OpaqueID {
    /// Zoom's ids have up to some 36 characters, and no longer ones are known. The limit keeps every id in our output short.
    static let lengthMax = 64

    /// Whether the text has 1 to `lengthMax` characters, each an ASCII letter or digit or one of `- _ . = +`. Dots alone are
    /// refused, since they would change the meaning of a path.
    static func isValid(_ text: ArraySlice<UInt8>) -> Bool {
        guard (1...lengthMax).contains(text.count), text.allSatisfy(isAllowed) else { return false }
        return !text.allSatisfy { $0 == UInt8(ascii: ".") }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        if byte.isASCIILetterOrDigit { return true }
        return switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "="), UInt8(ascii: "+"):
            true
        default:
            false
        }
    }
}

extension UInt8 {
    var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            false
        }
    }
}
