/// How a file is sealed: a line of text that says so, and with which key, then AES-256-GCM of what is hidden.
///
///     billing-service sealed 1 AES-256-GCM key=0123456789abcdef nonce=0123456789abcdef01234567
///
/// The line is authenticated with what follows it: whatever bit is changed, of either, nothing is opened. `1` is the version;
/// another way of sealing will have another.
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

    /// The id of the key that a file is sealed with; `nil` for one that is not.
    package static func keyID(of bytes: [UInt8]) throws(DocumentProblem) -> String? {
        isSealed(bytes) ? try header(of: bytes).keyID : nil
    }

    /// - Throws: `DocumentProblem` that says which key is missing, or that the file is not what was sealed.
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
        else { throw DocumentProblem("changed or damaged since it was encrypted with the key \(keyID)") }
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
        guard words[0] == "1" else { throw DocumentProblem("encrypted in a way that this program does not know yet") }
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
