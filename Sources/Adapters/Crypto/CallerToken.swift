/// The tokens we give out to callers: `bst_`, 43 random characters, which hold 256 bits, and 6 that are a checksum of
/// what is before them. All are letters and digits, so that a double click takes the whole, and scanners for secrets can
/// look for
///
///     \bbst_[0-9A-Za-z]{49}\b
package enum CallerToken {
    package static let prefix = "bst_"

    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let prefixBytes = Array(prefix.utf8)

    /// 62^43 is a little more than 2^256.
    private static let randomCount = 43
    private static let checksumCount = 6

    /// What can be told of a token without knowing whose it is.
    package enum Form: Sendable, Equatable {
        /// One of ours, whether it is still good or not.
        case intact
        /// Once one of ours, but mistyped or cut off.
        case damaged
        /// None of ours.
        case foreign
    }

    package static func make() -> String {
        var token = prefixBytes
        while token.count < prefixBytes.count + randomCount {
            // Bytes above the last whole multiple would make some digits likelier than others.
            let whole = 256 / digits.count * digits.count
            let fitting = RandomToken.bytes(randomCount).lazy.filter { $0 < whole }.map {
                digits[Int($0) % digits.count]
            }
            token += fitting.prefix(prefixBytes.count + randomCount - token.count)
        }
        return String(decoding: token + checksum(of: token[...]), as: UTF8.self)
    }

    package static func form(of token: ArraySlice<UInt8>) -> Form {
        guard token.starts(with: prefixBytes) else { return .foreign }
        guard token.count == prefixBytes.count + randomCount + checksumCount else { return .damaged }
        return token.suffix(checksumCount).elementsEqual(checksum(of: token.dropLast(checksumCount)))
            ? .intact : .damaged
    }

    private static func checksum(of text: ArraySlice<UInt8>) -> [UInt8] {
        var number = SHA256Digest(of: text).firstWord
        return (0..<checksumCount).map { _ in
            defer { number /= UInt64(digits.count) }
            return digits[Int(number % UInt64(digits.count))]
        }
    }
}
