import CHTTP2

/// A SHA-256 digest, computed by libcrypto and compared in constant time.
package struct SHA256Digest: Sendable, Hashable {
    /// The 32 bytes. An inline array, since a digest is computed for each request and should not allocate.
    private var words = InlineArray<4, UInt64>(repeating: 0)

    static let count = 32

    package init(of message: ArraySlice<UInt8>) {
        let result = withUnsafeMutableBytes(of: &words) { digest in
            message.withUnsafeBytes {
                shim_SHA256($0.baseAddress, $0.count, digest.bindMemory(to: UInt8.self).baseAddress)
            }
        }
        precondition(result == 1, "libcrypto has no SHA-256")
    }

    package init(of text: String) {
        self.init(of: Array(text.utf8)[...])
    }

    /// Parses 64 hexadecimal digits; `nil` for anything else.
    package init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text), bytes.count == Self.count else { return nil }
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }

    /// 64 hexadecimal digits in lower case.
    package var hexadecimal: String {
        withUnsafeBytes(of: words) { Hexadecimal.encode($0) }
    }

    package var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    /// The first 8 bytes as a big-endian number.
    var firstWord: UInt64 { UInt64(bigEndian: words[0]) }

    package static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
        withUnsafeBytes(of: left.words) { left in
            withUnsafeBytes(of: right.words) { CRYPTO_memcmp(left.baseAddress, $0.baseAddress, count) == 0 }
        }
    }

    /// Swift's hasher need not resist chosen digests, since a caller cannot choose the digest of a token.
    package func hash(into hasher: inout Hasher) {
        for index in words.indices { hasher.combine(words[index]) }
    }
}
