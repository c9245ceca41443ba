/// Parses `Authorization` (RFC 9110, 11.6.2): a scheme, spaces and the credentials.
enum AuthorizationField {
    /// Returns the credentials if the field has that scheme, otherwise `nil`. Empty if only the scheme is present.
    ///
    /// - Parameter scheme: Compared case-insensitively (RFC 9110, 11.1).
    static func credentials(of scheme: StaticString, in value: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let count = scheme.utf8CodeUnitCount
        let credentials = value.dropFirst(count)
        guard credentials.first.map({ $0 == blank }) ?? true, value.prefix(count).equalsIgnoringCase(scheme) else {
            return nil
        }
        return credentials.drop { $0 == blank }
    }

    /// Whether the field starts with a valid scheme, which is a token (RFC 9110, 5.6.2).
    static func hasScheme(_ value: ArraySlice<UInt8>) -> Bool {
        let scheme = value.prefix { $0 != blank }
        return !scheme.isEmpty && scheme.allSatisfy(isTokenByte)
    }

    /// Whether the bytes are a token68 (RFC 9110, 11.2), the syntax of a bearer token (RFC 6750, 2.1).
    static func isToken68(_ bytes: ArraySlice<UInt8>) -> Bool {
        let body = bytes.prefix { $0 != UInt8(ascii: "=") }
        return !body.isEmpty && body.allSatisfy(isToken68Byte)
            && bytes.dropFirst(body.count).allSatisfy { $0 == UInt8(ascii: "=") }
    }

    private static let blank = UInt8(ascii: " ")

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }

    private static func isToken68Byte(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "-._~+/".utf8.contains(byte)
    }
}
