import CHTTP2
import FoundationEssentials

/// Unguessable tokens: 256 random bits from libcrypto.
package enum RandomToken {
    private static let byteCount = 32

    /// `prefix` and 43 characters of base64url (RFC 4648, 5).
    package static func make(prefix: String = "") -> String {
        return prefix + Data(bytes(byteCount)).base64URL
    }

    /// Random bytes from libcrypto.
    static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            // Fails only if the system has no entropy source. No secret can be made then.
            precondition(RAND_bytes(buffer.baseAddress, Int32(count)) == 1, "no random bytes")
            written = count
        }
    }
}

extension Data {
    /// Base64url without padding (RFC 4648, 5).
    package var base64URL: String {
        String(
            base64EncodedString().compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    /// `nil` unless `text` is base64url, with or without padding.
    package init?(base64URL text: String) {
        guard !text.contains(where: { $0 == "+" || $0 == "/" }) else { return nil }
        var text = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        self.init(base64Encoded: text)
    }
}
