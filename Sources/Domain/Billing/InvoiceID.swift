/// The identifier of an invoice, issued by Zoom: opaque, and valid in a path segment without escaping.
package struct InvoiceID: Sendable, Hashable, CustomStringConvertible {
    package let rawValue: String

    /// `nil` unless the text has the form of an account id.
    package init?(_ text: ArraySlice<UInt8>) {
        guard OpaqueID.isValid(text.span) else { return nil }
        rawValue = String(decoding: text, as: UTF8.self)
    }

    /// As `init(_:)` for bytes.
    package init?(_ text: String) {
        self.init(Array(text.utf8)[...])
    }

    package var description: String { rawValue }
}
