import Domain

/// The form of an answer in Redis.
///
/// After the head, which `putAnswer` writes, follow the id of the key that encrypts (8 bytes; 0 without a key), the nonce, and the
/// AES-256-GCM ciphertext of the answer with its tag. The answer is its content (1 byte), the starts of its key (1 byte) and body (2
/// bytes), the bytes after the body (1 byte), the tag of the body (8 bytes), and the line. Numbers are big-endian.
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
        guard let sealing = keys.first else { return [UInt8](repeating: 0, count: 8) + plain }
        let nonce = RandomToken.bytes(AES256GCM.nonceLength)
        return Self.id(of: sealing) + nonce + AES256GCM.seal(plain, with: sealing.secret, nonce: nonce, header: key)
    }

    /// - Parameter now: The time of Redis, in milliseconds.
    /// - Returns: `nil` for a value of another form, or that is encrypted with an unknown key.
    func answer(_ value: [UInt8], key: [UInt8], now: Int64) -> SharedAnswer? {
        guard value.count > Self.headBytes + 8 + Self.plainBytes, value[0] == Self.version else { return nil }
        let received = Self.number(value[1..<7])
        let lifetime = Self.number(value[7..<11])
        let (id, rest) = (value[11..<19], value[19...])
        let plain: ArraySlice<UInt8>
        if id.allSatisfy({ $0 == 0 }) {
            guard keys.isEmpty else { return nil }
            plain = rest
        } else {
            guard let sealing = keys.first(where: { Self.id(of: $0)[...] == id }), rest.count > AES256GCM.nonceLength,
                let opened = AES256GCM.open(
                    rest.dropFirst(AES256GCM.nonceLength), with: sealing.secret,
                    nonce: Array(rest.prefix(AES256GCM.nonceLength)), header: key)
            else { return nil }
            plain = opened[...]
        }
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

    private static func id(of key: SealingKey) -> [UInt8] {
        Hexadecimal.decode(key.id) ?? []
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reduce(0) { $0 << 8 | Int64($1) }
    }
}
