/// The source of the keys that encrypt the credentials file.
package enum SealingKeys: Sendable {
    case none
    /// One key a line. The first key encrypts, all keys decrypt, so keys can be rotated while both files stay readable.
    /// Empty lines and lines that begin with `#` are ignored.
    case file(PrivateFile)
    /// One key, from the environment.
    case given(SealingKey)

    package func read() throws(FileProblem) -> [SealingKey] {
        switch self {
        case .none: return []
        case .given(let key): return [key]
        case .file(let file):
            var bytes = try file.read()
            defer { cleanse(&bytes) }
            return try Self.parse(bytes, of: file)
        }
    }

    private static func parse(_ bytes: [UInt8], of file: PrivateFile) throws(FileProblem) -> [SealingKey] {
        var keys: [SealingKey] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let text = String(decoding: line.filter { $0 > 0x20 }, as: UTF8.self)
            if text.isEmpty || text.hasPrefix("#") { continue }
            guard let key = SealingKey(hexadecimal: text) else {
                throw file.problem("line \(index + 1) is not a key of 64 hexadecimal digits")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw file.problem("contains no key") }
        return keys
    }

    /// Adds a new key as the first line of the file.
    ///
    /// The older keys remain, so older files can still be decrypted.
    package static func add(to file: PrivateFile) throws(FileProblem) -> SealingKey {
        let key = SealingKey.random()
        try file.update(
            { bytes throws(FileProblem) in
                if let bytes { _ = try parse(bytes, of: file) }
                return Array((key.hexadecimal + "\n").utf8) + (bytes ?? [])
            }, check: { bytes throws(FileProblem) in _ = try parse(bytes, of: file) })
        return key
    }
}
