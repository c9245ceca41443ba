/// The identifier of an account, issued by Zoom: opaque, and valid in a path segment without escaping.
package struct AccountID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package static let lengthMax = OpaqueID.lengthMax

    package let rawValue: String

    /// `nil` unless the text has the form of `OpaqueID`: 1 to `lengthMax` ASCII letters, digits and `- _ . = +`.
    package init?(_ text: ArraySlice<UInt8>) {
        guard OpaqueID.isValid(text.span) else { return nil }
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// Creates an id from the bytes of a valid one.
    init(validated text: ArraySlice<UInt8>) {
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// As `init(_:)` for bytes.
    package init?(_ text: String) {
        guard OpaqueID.isValid(text.utf8Span.span) else { return nil }
        rawValue = text
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
