import CHTTP2
package import Domain

/// Authenticated encryption with AES-256 in Galois/Counter Mode (NIST SP 800-38D), implemented by libcrypto.
package enum AES256GCM {
    static let keyLength = 32

    /// 96 bits. Random nonces are safe for 2^32 messages under one key.
    static let nonceLength = 12
    static let tagLength = 16

    // Safe: initialized once before first use, and libcrypto's method objects are immutable and may be shared.
    private nonisolated(unsafe) static let algorithm = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)

    /// Encrypts a message.
    ///
    /// - Parameter header: Additional authenticated data, which is not encrypted.
    /// - Returns: The ciphertext, followed by the authentication tag.
    package static func seal(_ message: [UInt8], with key: Secret, nonce: [UInt8], header: [UInt8]) -> [UInt8] {
        withContext(key, nonce, header, isSealing: true) { context in
            var sealed = transform(message[...], context) ?? []
            var tag = [UInt8](repeating: 0, count: tagLength)
            var none: Int32 = 0
            let isDone =
                EVP_EncryptFinal_ex(context, nil, &none) == 1
                && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), &tag) == 1
            // Fails only if memory is exhausted.
            precondition(isDone && sealed.count == message.count, "libcrypto could not seal")
            sealed += tag
            return sealed
        }
    }

    /// Decrypts a message.
    ///
    /// - Returns: `nil` if the ciphertext, tag, nonce, header or key is not the one of the encryption.
    package static func open(_ sealed: ArraySlice<UInt8>, with key: Secret, nonce: [UInt8], header: [UInt8]) -> [UInt8]?
    {
        guard sealed.count >= tagLength, nonce.count == nonceLength else { return nil }
        return withContext(key, nonce, header, isSealing: false) { context in
            var tag = Array(sealed.suffix(tagLength))
            guard var message = transform(sealed.dropLast(tagLength), context),
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagLength), &tag) == 1
            else { return nil }
            var none: Int32 = 0
            guard EVP_DecryptFinal_ex(context, nil, &none) == 1 else {
                // GCM decrypts before it checks the tag.
                cleanse(&message)
                return nil
            }
            return message
        }
    }

    private static func withContext<Result>(
        _ key: Secret, _ nonce: [UInt8], _ header: [UInt8], isSealing: Bool, _ body: (OpaquePointer?) -> Result
    ) -> Result {
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        let isReady = key.reveal { key in
            guard key.count == keyLength, nonce.count == nonceLength else { return false }
            return key.withUnsafeBufferPointer {
                EVP_CipherInit_ex2(context, algorithm, $0.baseAddress, nonce, isSealing ? 1 : 0, nil) == 1
            }
        }
        var count: Int32 = 0
        let isRead = isReady && EVP_CipherUpdate(context, nil, &count, header, Int32(header.count)) == 1
        precondition(isRead, "libcrypto did not accept the key")
        return body(context)
    }

    private static func transform(_ bytes: ArraySlice<UInt8>, _ context: OpaquePointer?) -> [UInt8]? {
        guard !bytes.isEmpty else { return [] }
        var count: Int32 = 0
        let result = [UInt8](unsafeUninitializedCapacity: bytes.count) { result, written in
            bytes.withUnsafeBufferPointer {
                if EVP_CipherUpdate(context, result.baseAddress, &count, $0.baseAddress, Int32($0.count)) != 1 {
                    count = 0
                }
            }
            written = Int(count)
        }
        return result.count == bytes.count ? result : nil
    }
}
