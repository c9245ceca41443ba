/// The head of an account list in Redis, which `AccountListScripts.put` writes.
struct StoredListHead {
    /// In the keys of the parts.
    let name: String

    /// The number of parts.
    let parts: Int

    /// The size of the list in bytes, before it is divided and encrypted.
    let bytes: Int

    /// When the listing began, by the time of Redis in milliseconds.
    let began: Int64

    /// How long the listing took, in milliseconds.
    let took: Int64

    /// - Returns: `nil` for a head of another version, or that no list of this version can have.
    init?(_ text: [UInt8], partBytes: Int, bytesMax: Int) {
        let words = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard words.count == 6, words[0] == "1", let parts = Int(words[2]), let bytes = Int(words[3]),
            let began = Int64(words[4]), let took = Int64(words[5]), (0...bytesMax).contains(bytes),
            parts == (bytes + partBytes - 1) / partBytes, (0..<1 << 50).contains(took), (0..<1 << 50).contains(began)
        else { return nil }
        (name, self.parts, self.bytes, self.began, self.took) = (String(words[1]), parts, bytes, began, took)
    }
}
