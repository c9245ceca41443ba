import CHTTP2

/// A SHA-1 digest, for protocols that name data by it. It protects nothing.
enum SHA1Digest {
    private static let count = 20

    /// 40 hexadecimal digits in lower case.
    static func hexadecimal(of bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: count)
        precondition(
            EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha1(), nil) == 1, "libcrypto has no SHA-1")
        return Hexadecimal.encode(digest)
    }
}
