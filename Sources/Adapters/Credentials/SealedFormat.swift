/// The format of an encrypted file: a header line that names the key, then the AES-256-GCM ciphertext and tag.
///
///     billing-service sealed 1 AES-256-GCM key=0123456789abcdef nonce=0123456789abcdef01234567
///
/// The header is authenticated as additional data, so a change of any bit of the file is detected. `1` is the version of the
/// format.
package enum SealedFormat {
    private static let mark = Array("billing-service sealed ".utf8)
    private static let version = "1 AES-256-GCM"
    private static let headerBytesMax = 200

    package static func isSealed(_ bytes: [UInt8]) -> Bool { bytes.starts(with: mark) }

    package static func seal(_ message: [UInt8], with key: SealingKey) -> [UInt8] {
        let nonce = RandomToken.bytes(AES256GCM.nonceLength)
        let header = mark + Array("\(version) key=\(key.id) nonce=\(Hexadecimal.encode(nonce))\n".utf8)
        return header + AES256GCM.seal(message, with: key.secret, nonce: nonce, header: header)
    }

    /// The id of the key that a file is encrypted with; `nil` if it is not encrypted.
    package static func keyID(of bytes: [UInt8]) throws(DocumentProblem) -> String? {
        isSealed(bytes) ? try header(of: bytes).keyID : nil
    }

    /// - Throws: `DocumentProblem` if the key is missing, or the file was changed or damaged.
    package static func open(_ bytes: [UInt8], with keys: [SealingKey]) throws(DocumentProblem) -> [UInt8] {
        let (header, keyID, nonce) = try header(of: bytes)
        guard let key = keys.first(where: { $0.id == keyID }) else {
            let held = keys.isEmpty ? "none was given" : "those given are \(keys.map(\.id).joined(separator: ", "))"
            throw DocumentProblem(
                "encrypted with the key \(keyID), and \(held); name the file of the key with credentials.key-file, or "
                    + "put the key into BILLING_CREDENTIALS_KEY")
        }
        guard
            let message = AES256GCM.open(
                bytes[header.count...], with: key.secret, nonce: nonce, header: header)
        else { throw DocumentProblem("changed or damaged after it was encrypted with the key \(keyID)") }
        return message
    }

    private static func header(
        of bytes: [UInt8]
    ) throws(DocumentProblem) -> (bytes: [UInt8], keyID: String, nonce: [UInt8]) {
        let damaged = DocumentProblem("encrypted, but its first line is damaged")
        guard isSealed(bytes), let end = bytes.prefix(headerBytesMax).firstIndex(of: UInt8(ascii: "\n")) else {
            throw damaged
        }
        let words = String(decoding: bytes[mark.count..<end], as: UTF8.self)
            .split(separator: " ", omittingEmptySubsequences: false)
        guard words.count >= 2 else { throw damaged }
        guard words[0] == "1" else { throw DocumentProblem("encrypted in a format that this version does not support") }
        guard words.count == 4, words[0...1].joined(separator: " ") == version, words[2].hasPrefix("key="),
            words[3].hasPrefix("nonce=")
        else { throw damaged }
        let keyID = words[2].dropFirst("key=".count)
        guard Hexadecimal.decode(keyID)?.count == 8,
            let nonce = Hexadecimal.decode(words[3].dropFirst("nonce=".count)), nonce.count == AES256GCM.nonceLength
        else { throw damaged }
        return (Array(bytes[...end]), String(keyID), nonce)
    }
}
