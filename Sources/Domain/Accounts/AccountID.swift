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

    /// A hash of the bytes of an id. It needs no `AccountID`, so that a lookup can find an answer without making a string.
    ///
    /// Callers choose the ids that they send, but the random factor prevents them from choosing ids with the same hash.
    static func hash(of bytes: Span<UInt8>) -> Int {
        var hash: UInt64 = 0
        for index in bytes.indices { hash = (hash &+ UInt64(bytes[index])) &* hashFactor }
        return Int(truncatingIfNeeded: hash ^ hash >> 32)
    }

    private static let hashFactor = UInt64.random(in: .min ... .max) | 1

    /// The hash of its bytes.
    var bytesHash: Int { Self.hash(of: rawValue.utf8Span.span) }

    func hasBytes(_ bytes: Span<UInt8>) -> Bool {
        let own = rawValue.utf8Span.span
        guard own.count == bytes.count else { return false }
        for index in own.indices where own[index] != bytes[index] { return false }
        return true
    }

    /// Whether this is Zoom's alias for the master account of an access token, which is no sub account.
    package var isMasterAlias: Bool {
        // Counted first, since a comparison with a longer id is slow.
        rawValue.utf8.count == 2 && rawValue == "me"
    }

    /// Ascending by bytes, as other tools sort ids.
    package static func < (left: AccountID, right: AccountID) -> Bool {
        // All characters are ASCII. For those, Swift's string order is the byte order, and fast.
        left.rawValue < right.rawValue
    }

    package var description: String { rawValue }
}
