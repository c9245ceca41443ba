import Domain

/// A key that files are sealed with, and its name, which tells nothing of it.
package struct SealingKey: Sendable, Equatable {
    let secret: Secret

    /// 16 hexadecimal digits, the same for the same key wherever it is.
    package let id: String

    /// `nil` unless `text` is 64 hexadecimal digits: 256 bits, as from `openssl rand -hex 32`.
    package init?(hexadecimal text: String) {
        guard text.utf8.count == 64 else { return nil }
        var bytes: [UInt8] = []
        defer { cleanse(&bytes) }
        var digits = text.utf8.makeIterator()
        while let high = digits.next(), let low = digits.next() {
            guard let high = Character(Unicode.Scalar(high)).hexDigitValue,
                let low = Character(Unicode.Scalar(low)).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        self.init(bytes)
    }

    private init(_ bytes: [UInt8]) {
        secret = Secret(bytes)
        var named = Array("billing-service key id ".utf8) + bytes
        id = String(SHA256Digest(of: named[...]).hexadecimal.prefix(16))
        cleanse(&named)
    }

    package static func random() -> SealingKey {
        var bytes = RandomToken.bytes(AES256GCM.keyLength)
        defer { cleanse(&bytes) }
        return SealingKey(bytes)
    }

    /// As it stands in a key file.
    package var hexadecimal: String {
        secret.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
