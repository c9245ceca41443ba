import Domain

/// A key that files are sealed with, and its name, which tells nothing of it.
package struct SealingKey: Sendable, Equatable {
    let secret: Secret

    /// 16 hexadecimal digits, the same for the same key wherever it is.
    package let id: String

    /// `nil` unless `text` is 64 hexadecimal digits: 256 bits, as from `openssl rand -hex 32`.
    package init?(hexadecimal text: String) {
        var bytes = Hexadecimal.decode(text) ?? []
        defer { cleanse(&bytes) }
        guard bytes.count == AES256GCM.keyLength else { return nil }
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
        Hexadecimal.encode(secret.bytes)
    }
}
