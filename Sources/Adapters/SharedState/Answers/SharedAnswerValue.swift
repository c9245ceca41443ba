import Domain

/// The form of an answer in Redis.
///
/// After the head, which `putAnswer` writes, follows a `SealedValue`: the content of the answer (1 byte), the starts of its key (1 byte)
/// and body (2 bytes), the bytes after the body (1 byte), the tag of the body (8 bytes), and the line. Numbers are big-endian.
struct SharedAnswerValue: Sendable {
    /// The first key encrypts, and all keys decrypt. Without a key, answers are not encrypted.
    let keys: [SealingKey]

    private static let version: UInt8 = 1
    private static let headBytes = 11
    private static let plainBytes = 13

    /// - Parameter key: The key in Redis, to which the answer is bound.
    /// - Returns: The value without its head; `nil` for an answer that the form cannot have.
    func bytes(_ answer: SharedAnswer, key: [UInt8]) -> [UInt8]? {
        let encoded = answer.encoded
        let after = encoded.text.count - encoded.body.upperBound
        guard let keyStart = UInt8(exactly: encoded.keyStart), let bodyStart = UInt16(exactly: encoded.body.lowerBound),
            let after = UInt8(exactly: after)
        else { return nil }
        var plain: [UInt8] = []
        plain.reserveCapacity(Self.plainBytes + encoded.text.count)
        plain += [answer.content.rawValue, keyStart, UInt8(bodyStart >> 8), UInt8(bodyStart & 0xFF), after]
        for shift in stride(from: 56, through: 0, by: -8) {
            plain.append(UInt8(truncatingIfNeeded: encoded.tag >> UInt64(shift)))
        }
        plain += encoded.text
        return SealedValue.seal(plain, with: keys, place: key)
    }

    /// - Parameter now: The time of Redis, in milliseconds.
    /// - Returns: `nil` for a value of another form, or that is encrypted with an unknown key.
    func answer(_ value: [UInt8], key: [UInt8], now: Int64) -> SharedAnswer? {
        guard value.count > Self.headBytes + 8 + Self.plainBytes, value[0] == Self.version else { return nil }
        let received = Self.number(value[1..<7])
        let lifetime = Self.number(value[7..<11])
        guard let plain = SealedValue.open(value[Self.headBytes...], with: keys, place: key) else { return nil }
        return Self.answer(plain, age: max(now - received, 0), lifetime: lifetime)
    }

    private static func answer(_ plain: ArraySlice<UInt8>, age: Int64, lifetime: Int64) -> SharedAnswer? {
        guard plain.count > plainBytes, let content = StoredContent(rawValue: plain[plain.startIndex]),
            content != .removed
        else { return nil }
        let start = plain.startIndex
        let text = Array(plain.dropFirst(plainBytes))
        let bodyStart = Int(number(plain[start + 2..<start + 4]))
        let bodyEnd = text.count - Int(plain[start + 4])
        guard bodyStart <= bodyEnd, Int(plain[start + 1]) < text.count else { return nil }
        return SharedAnswer(
            EncodedAnswer(
                text: text, keyStart: Int(plain[start + 1]), body: bodyStart..<bodyEnd,
                tag: UInt64(bitPattern: number(plain[start + 5..<start + 13]))),
            content, age: .milliseconds(age), lifetime: .milliseconds(lifetime))
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reduce(0) { $0 << 8 | Int64($1) }
    }
}
