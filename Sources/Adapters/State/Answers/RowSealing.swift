/// Encrypts the content of a row of the answers file, or adds a checksum to it if there is no key.
///
/// Encrypted: the nonce, the AES-256-GCM ciphertext and its tag. Otherwise: the SHA-256 digest, and the content. Both also
/// cover the other columns of the row, so a row that was changed, or moved to another place, is noticed.
struct RowSealing: Sendable {
    /// The columns of a row that its content belongs to.
    enum Row {
        case page(number: Int64, shelf: String, answers: Int64, oldest: Int64, newest: Int64)
        case document(name: String, asOf: Int64)

        /// Additional data of the encryption (NIST SP 800-38D). `1` is the version of the format.
        fileprivate var header: [UInt8] {
            switch self {
            case .page(let number, let shelf, let answers, let oldest, let newest):
                Array("billing-service page 1 \(number) \(answers) \(oldest) \(newest) \(shelf)".utf8)
            case .document(let name, let asOf): Array("billing-service document 1 \(asOf) \(name)".utf8)
            }
        }
    }

    /// The first key encrypts, and all keys decrypt. Without a key, rows are not encrypted.
    let keys: [SealingKey]

    /// The id of the key that encrypts; `nil` without a key.
    var keyID: String? { keys.first?.id }

    func seal(_ content: [UInt8], of row: Row) -> [UInt8] {
        let header = row.header
        guard let key = keys.first else { return Self.digest(of: content[...], header) + content }
        let nonce = RandomToken.bytes(AES256GCM.nonceLength)
        return nonce + AES256GCM.seal(content, with: key.secret, nonce: nonce, header: header)
    }

    /// - Parameter keyID: The key that the row is encrypted with; `nil` if it is not encrypted.
    /// - Throws: `unusable` for a row that was damaged, or whose key is unknown.
    func open(_ sealed: [UInt8], of row: Row, keyID: String?) throws(AnswersFailure) -> [UInt8] {
        let header = row.header
        guard let keyID else {
            let content = sealed.dropFirst(SHA256Digest.count)
            guard sealed.count >= SHA256Digest.count,
                Self.digest(of: content, header)[...] == sealed[..<SHA256Digest.count]
            else { throw .damaged("a row does not have its checksum") }
            return Array(content)
        }
        guard let key = keys.first(where: { $0.id == keyID }) else {
            throw .unusable(
                .wronglyKeyed,
                "rows are encrypted with the key \(LogText.escaped(keyID)), which the service does not have")
        }
        let nonce = sealed.prefix(AES256GCM.nonceLength)
        guard
            let content = AES256GCM.open(
                sealed.dropFirst(AES256GCM.nonceLength), with: key.secret, nonce: Array(nonce), header: header)
        else { throw .damaged("a row was changed or damaged after it was encrypted") }
        return content
    }

    private static func digest(of content: ArraySlice<UInt8>, _ header: [UInt8]) -> [UInt8] {
        SHA256Digest(of: (SHA256Digest(of: header[...]).bytes + content)[...]).bytes
    }
}
