import CHTTP2

/// The SHA-256 of something secret, by libcrypto. Two of them are compared in constant time.
package struct SHA256Digest: Sendable, Hashable {
    /// The 32 bytes, in line: a digest is made for every request, and need not be allocated.
    private var words = InlineArray<4, UInt64>(repeating: 0)

    private static let count = 32

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

    /// A digest written as 64 hexadecimal digits; `nil` if `text` is something else.
    package init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text), bytes.count == Self.count else { return nil }
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }

    /// As 64 lower-case hexadecimal digits.
    package var hexadecimal: String {
        withUnsafeBytes(of: words) { Hexadecimal.encode($0) }
    }

    /// The first 8 bytes as a number, most significant first.
    var firstWord: UInt64 { UInt64(bigEndian: words[0]) }

    package static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
        withUnsafeBytes(of: left.words) { left in
            withUnsafeBytes(of: right.words) { CRYPTO_memcmp(left.baseAddress, $0.baseAddress, count) == 0 }
        }
    }

    /// Nothing is lost by hashing it with Swift's hasher: who presents a token does not choose its digest.
    package func hash(into hasher: inout Hasher) {
        for index in words.indices { hasher.combine(words[index]) }
    }
}
