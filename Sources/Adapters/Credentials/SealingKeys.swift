/// Where the keys are that the credentials file is sealed with.
package enum SealingKeys: Sendable {
    case none
    /// A key a line. The first one seals, all of them open: so a key is followed by another without a moment in which
    /// either file cannot be read. Lines that are empty or begin with `#` are no keys.
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
                throw file.problem("line \(index + 1) is no key of 64 hexadecimal digits")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw file.problem("there is no key in it") }
        return keys
    }

    /// Makes a key, the first of the file's from now on.
    ///
    /// - Throws: `FileProblem`. What there was is kept: older files can be opened as before.
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
