import Domain

/// A key for encrypting files, and its id, which does not reveal the key.
package struct SealingKey: Sendable, Equatable {
    let secret: Secret

    /// 16 hexadecimal digits, derived from the key.
    package let id: String

    /// `nil` unless `text` is 64 hexadecimal digits (256 bits), such as the output of `openssl rand -hex 32`.
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

    /// The key as a line of a key file.
    package var hexadecimal: String {
        Hexadecimal.encode(secret.bytes)
    }
}
