/// The format of caller tokens: `bst_`, 43 random characters (256 bits), and a checksum of 6 characters.
///
/// Tokens consist of letters, digits and an underscore, so that a double click selects all of it. Secret scanners can use the
/// pattern
///
///     \bbst_[0-9A-Za-z]{49}\b
package enum CallerToken {
    package static let prefix = "bst_"

    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let prefixBytes = Array(prefix.utf8)

    /// 62^43 is slightly more than 2^256.
    private static let randomCount = 43
    private static let checksumCount = 6

    /// What the checksum shows about a token, without a look at the callers.
    package enum Form: Sendable, Equatable {
        /// Issued by this service. May be revoked or expired.
        case intact
        /// Issued by this service, but mistyped or truncated.
        case damaged
        /// Not issued by this service.
        case foreign
    }

    package static func make() -> String {
        var token = prefixBytes
        while token.count < prefixBytes.count + randomCount {
            // Rejection sampling: larger bytes would make some digits more likely than others.
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
