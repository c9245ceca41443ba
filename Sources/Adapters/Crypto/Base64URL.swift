import FoundationEssentials

/// Bytes as text of letters, digits, `-` and `_` (RFC 4648, 5), without padding.
package enum Base64URL {
    package static func text(of bytes: [UInt8]) -> String { Data(bytes).base64URL }

    /// `nil` unless `text` is what `text(of:)` returns for some bytes. Other texts that decode to the same bytes are refused.
    package static func bytes(of text: String) -> [UInt8]? {
        guard let data = Data(base64URL: text), data.base64URL == text else { return nil }
        return Array(data)
    }
}
