package import NIOHTTP1

/// The field section of an HTTP/1.1 request, converted to HTTP/2 pseudo-header and lower-case fields, and the framing of
/// its body.
///
/// Rejects requests that NIO's parser accepts but RFC 9112 forbids.
package struct HTTP1Fields {
    package let fields: HeaderFields

    /// Whether the connection is persistent (RFC 9112, 9.3).
    package let keepsAlive: Bool

    /// The length of the body; `nil` for chunked transfer coding.
    package let contentLength: Int?

    /// - Throws: `malformed`, `excessiveHead`.
    package init(_ head: HTTPRequestHead, isEncrypted: Bool, limits: Limits) throws(Refusal) {
        guard head.version.major == 1 else { throw .malformed }
        guard head.method != .CONNECT else { throw .connectMethod }
        let isHTTP10 = head.version.minor == 0
        let framing = Framing(head.headers)
        let size = head.uri.utf8.count + 32 + framing.bytes
        guard size <= limits.headerListBytesMax, head.headers.count <= limits.headerFieldsMax else {
            throw .excessiveHead
        }

        guard framing.hosts <= 1 else { throw .repeatedField(.host) }
        var host = framing.host
        guard framing.hosts == 1 ? host.withUTF8({ HTTPRequest.isAuthority(UnsafeRawBufferPointer($0)) }) : isHTTP10
        else {
            throw .malformed
        }
        let target = try Self.target(of: head, host: host)

        switch (framing.encodings, framing.lengths) {
        case (0, 0): contentLength = 0
        case (1, 0) where !isHTTP10 && framing.encoding.utf8.equalsIgnoringCase("chunked"): contentLength = nil
        case (0, 1):
            guard let length = Int(framing.length), framing.length.utf8.allSatisfy(\.isASCIIDigit) else {
                throw .malformed
            }
            contentLength = length
        case (0, _): throw .repeatedField(.contentLength)
        default: throw .malformed
        }

        let options =
            framing.hasOptions ? Set(head.headers[canonicalForm: "connection"].map { $0.lowercased() }) : []
        // NIO's parser accepts no more requests after one with `Upgrade`, which this server never performs.
        // HTTP/1.0 proxies without keep-alive support may forward the option (RFC 9112, appendix C.2.2), so HTTP/1.0
        // connections are always closed.
        keepsAlive = !framing.requestsUpgrade && !options.contains("close") && !isHTTP10

        var fields = HeaderFields(reservingBytes: size)
        fields.append(.method, head.method.rawValue)
        fields.append(.scheme, isEncrypted ? "https" : "http")
        if !host.isEmpty { fields.append(.authority, host) }
        fields.append(.path, target)
        for (name, value) in head.headers {
            var (name, value) = (name, value)
            let isField = name.withUTF8 { name in
                guard Kind(of: name).isPassedOn else { return true }
                if !options.isEmpty, options.contains(String(decoding: name, as: UTF8.self).lowercased()) {
                    return true
                }
                return value.withUTF8 { value in
                    guard Self.isFieldValue(value) else { return false }
                    fields.append(lowercasing: name, Self.withoutTrailingWhitespace(value))
                    return true
                }
            }
            guard isField else { throw .malformed }
        }
        self.fields = fields
    }

    /// Names with a meaning for the connection or the framing of messages.
    private enum Kind {
        case host
        case transferEncoding
        case contentLength
        case connection
        case upgrade
        /// Another connection-specific field (RFC 9110, 7.6.1).
        case connectionSpecific
        case other

        /// - Parameter name: A token, which the parser has checked.
        init(of name: UnsafeBufferPointer<UInt8>) {
            self =
                switch name.count {
                case 2 where name.isName("te"): .connectionSpecific
                case 4 where name.isName("host"): .host
                case 7 where name.isName("upgrade"): .upgrade
                case 7 where name.isName("trailer"): .connectionSpecific
                case 10 where name.isName("connection"): .connection
                case 10 where name.isName("keep-alive"): .connectionSpecific
                case 14 where name.isName("content-length"): .contentLength
                case 16 where name.isName("proxy-connection"): .connectionSpecific
                case 17 where name.isName("transfer-encoding"): .transferEncoding
                default: .other
                }
        }

        /// Whether the field remains one. The others concern the connection only, or are converted.
        var isPassedOn: Bool {
            switch self {
            case .contentLength, .other: true
            case .host, .transferEncoding, .connection, .upgrade, .connectionSpecific: false
            }
        }
    }

    /// The fields that frame a message or concern its connection, found in one pass.
    private struct Framing {
        /// The size of all fields (RFC 9113, 6.5.2).
        var bytes = 0

        // The number of fields with a name, and the value of the last one.
        var hosts = 0
        var host = ""
        var encodings = 0
        var encoding = ""
        var lengths = 0
        var length = ""

        var requestsUpgrade = false

        /// Whether there is another option in `Connection` than `keep-alive`, which changes nothing.
        var hasOptions = false

        init(_ headers: HTTPHeaders) {
            for (name, value) in headers {
                bytes += name.utf8.count + value.utf8.count + 32
                var name = name
                switch name.withUTF8({ Kind(of: $0) }) {
                case .host:
                    hosts += 1
                    host = value
                case .transferEncoding:
                    encodings += 1
                    encoding = value
                case .contentLength:
                    lengths += 1
                    length = value
                case .connection: if !value.utf8.equalsIgnoringCase("keep-alive") { hasOptions = true }
                case .upgrade: requestsUpgrade = true
                case .connectionSpecific, .other: break
                }
            }
        }
    }

    /// The request target as `:path`: origin form, `*`, or absolute form if its authority equals `Host`.
    private static func target(of head: HTTPRequestHead, host: String) throws(Refusal) -> String {
        if head.uri.utf8.first == UInt8(ascii: "/") || head.uri == "*" { return head.uri }
        for scheme in ["http://", "https://"] where head.uri.lowercased().hasPrefix(scheme) {
            let rest = head.uri.dropFirst(scheme.count)
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            guard !host.isEmpty, authority.lowercased() == host.lowercased() else { break }
            let path = rest.dropFirst(authority.count)
            return path.first == "/" ? String(path) : "/" + path
        }
        throw .malformed
    }

    /// Removes trailing whitespace, which is not part of a field value (RFC 9112, 5.1). The parser removes only leading
    /// whitespace.
    private static func withoutTrailingWhitespace(_ value: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var count = value.count
        while count > 0, value[count - 1].isASCIIWhitespace { count -= 1 }
        return UnsafeBufferPointer(rebasing: value[..<count])
    }

    /// Whether a field value has no control characters except tab (RFC 9110, 5.5).
    private static func isFieldValue(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        for byte in value where byte < 0x20 && byte != 0x09 || byte == 0x7F { return false }
        return true
    }
}
