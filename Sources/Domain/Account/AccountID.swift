/// The identifier of an account, as Zoom gives it out: opaque, but never in need of escaping in a path segment.
package struct AccountID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Zoom's are about 22 characters; nothing longer than this has been seen, and the bound keeps every id we echo short.
    package static let lengthMax = 64

    package let rawValue: String

    /// `nil` unless there are 1 to `lengthMax` characters, each a letter or digit of ASCII or one of `- _ . = +`, and
    /// not dots alone: those mean another path.
    package init?(_ text: ArraySlice<UInt8>) {
        guard (1...Self.lengthMax).contains(text.count), text.allSatisfy(Self.isAllowed) else { return nil }
        guard !text.allSatisfy({ $0 == UInt8(ascii: ".") }) else { return nil }
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// From bytes that were those of one before.
    init(known text: ArraySlice<UInt8>) {
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// As `init(_:)` for bytes.
    package init?(_ text: String) {
        self.init(Array(text.utf8)[...])
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "="), UInt8(ascii: "+"):
            true
        default:
            false
        }
    }

    /// Whether it is Zoom's alias for the account a token belongs to, the master itself, which is no sub account.
    package var isMasterAlias: Bool { rawValue == "me" }

    /// Ascending by bytes, so that every tool that sorts the ids agrees with us.
    package static func < (left: AccountID, right: AccountID) -> Bool {
        // The characters are all ASCII, for which Swift's order of strings is the order of bytes, and quick.
        left.rawValue < right.rawValue
    }

    package var description: String { rawValue }
}
