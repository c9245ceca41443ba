/// The form of the identifiers that Zoom issues: opaque, and valid in a path segment without escaping.
enum OpaqueID {
    /// Zoom's ids have up to some 36 characters, and no longer ones are known. The limit keeps every id in our output short.
    static let lengthMax = 64

    /// Whether the text has 1 to `lengthMax` characters, each an ASCII letter or digit or one of `- _ . = +`. Dots alone are
    /// refused, since they would change the meaning of a path.
    static func isValid(_ text: Span<UInt8>) -> Bool {
        guard (1...lengthMax).contains(text.count) else { return false }
        var isDots = true
        for offset in text.indices {
            guard isAllowed(text[offset]) else { return false }
            if text[offset] != UInt8(ascii: ".") { isDots = false }
        }
        return !isDots
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        let characters = byte < 64 ? allowedBelow64 : byte < 128 ? allowedFrom64 : 0
        return characters &>> UInt64(byte) & 1 == 1
    }

    /// A bit for each allowed character below 64: `+`, `-`, `.`, the digits and `=`.
    private static var allowedBelow64: UInt64 { 1 << 43 | 1 << 45 | 1 << 46 | 0x3FF << 48 | 1 << 61 }

    /// A bit for each allowed character from 64 to 127: the letters and `_`.
    private static var allowedFrom64: UInt64 { 0x3FF_FFFF << 1 | 1 << 31 | 0x3FF_FFFF << 33 }
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
