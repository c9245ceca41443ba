/// The identifier of an account, issued by Zoom: opaque, and valid in a path segment without escaping.
package struct AccountID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Zoom's ids have about 22 characters, and no longer ones are known. The limit keeps every id in our output short.
    package static let lengthMax = 64

    package let rawValue: String

    /// `nil` unless the text has 1 to `lengthMax` characters, each an ASCII letter or digit or one of `- _ . = +`. Dots
    /// alone are refused, since they would change the meaning of a path.
    package init?(_ text: ArraySlice<UInt8>) {
        guard (1...Self.lengthMax).contains(text.count), text.allSatisfy(Self.isAllowed) else { return nil }
        guard !text.allSatisfy({ $0 == UInt8(ascii: ".") }) else { return nil }
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// Creates an id from the bytes of a valid one.
    init(validated text: ArraySlice<UInt8>) {
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// As `init(_:)` for bytes.
    package init?(_ text: String) {
        self.init(Array(text.utf8)[...])
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

    /// Whether this is Zoom's alias for the master account of an access token, which is no sub account.
    package var isMasterAlias: Bool { rawValue == "me" }

    /// Ascending by bytes, as other tools sort ids.
    package static func < (left: AccountID, right: AccountID) -> Bool {
        // All characters are ASCII. For those, Swift's string order is the byte order, and fast.
        left.rawValue < right.rawValue
    }

    package var description: String { rawValue }
}
