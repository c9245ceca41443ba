/// Encrypted content of a value in Redis: the id of the key that encrypts (8 bytes; 0 without a key), the nonce, and the AES-256-GCM
/// ciphertext with its tag. Without a key: the id and the content.
enum SealedValue {
    private static let idBytes = 8

    /// - Parameters:
    ///   - keys: The first key encrypts. Without a key, nothing is encrypted.
    ///   - place: What the content is bound to, such as its key in Redis.
    static func seal(_ content: [UInt8], with keys: [SealingKey], place: [UInt8]) -> [UInt8] {
        guard let key = keys.first else { return [UInt8](repeating: 0, count: idBytes) + content }
        let nonce = RandomToken.bytes(AES256GCM.nonceLength)
        return id(of: key) + nonce + AES256GCM.seal(content, with: key.secret, nonce: nonce, header: place)
    }

    /// - Returns: `nil` for a value that was changed, that is encrypted with an unknown key, or that is not encrypted although there
    ///   are keys.
    static func open(_ value: ArraySlice<UInt8>, with keys: [SealingKey], place: [UInt8]) -> ArraySlice<UInt8>? {
        guard value.count >= idBytes else { return nil }
        let (id, rest) = (value.prefix(idBytes), value.dropFirst(idBytes))
        if id.allSatisfy({ $0 == 0 }) { return keys.isEmpty ? rest : nil }
        guard let key = keys.first(where: { Self.id(of: $0)[...] == id }), rest.count > AES256GCM.nonceLength
        else { return nil }
        return AES256GCM.open(
            rest.dropFirst(AES256GCM.nonceLength), with: key.secret, nonce: Array(rest.prefix(AES256GCM.nonceLength)),
            header: place
        ).map { $0[...] }
    }

    private static func id(of key: SealingKey) -> [UInt8] { Hexadecimal.decode(key.id) ?? [] }
}
