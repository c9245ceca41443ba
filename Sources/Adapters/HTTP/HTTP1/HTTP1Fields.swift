import NIOHTTP1

/// The field section of an HTTP/1.1 request, converted to HTTP/2 pseudo-header and lower-case fields, and the framing of
/// its body.
///
/// Rejects requests that NIO's parser accepts but RFC 9112 forbids.
struct HTTP1Fields {
    let fields: HeaderFields

    /// Whether the connection is persistent (RFC 9112, 9.3).
    let keepsAlive: Bool

    /// The length of the body; `nil` for chunked transfer coding.
    let contentLength: Int?

    /// - Throws: `malformed`, `excessiveHead`.
    init(_ head: HTTPRequestHead, isEncrypted: Bool, limits: Limits) throws(Refusal) {
        guard head.version.major == 1 else { throw .malformed }
        guard head.method != .CONNECT else { throw .connectMethod }
        let isHTTP10 = head.version.minor == 0
        let size = head.headers.reduce(head.uri.utf8.count + 32) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        guard size <= limits.headerListBytesMax, head.headers.count <= limits.headerFieldsMax else {
            throw .excessiveHead
        }

        let hosts = head.headers["host"]
        guard hosts.count <= 1 else { throw .repeatedField(.host) }
        guard hosts.count == 1 || (isHTTP10 && hosts.isEmpty),
            hosts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(HTTPRequest.isAuthority) })
        else {
            throw .malformed
        }
        let host = hosts.first ?? ""
        let target = try Self.target(of: head, host: host)

        let encodings = head.headers["transfer-encoding"]
        let lengths = head.headers["content-length"]
        switch (encodings.count, lengths.count) {
        case (0, 0): contentLength = 0
        case (1, 0) where !isHTTP10 && encodings[0].utf8.equalsIgnoringCase("chunked"): contentLength = nil
        case (0, 1):
            guard let length = Int(lengths[0]), lengths[0].utf8.allSatisfy(\.isASCIIDigit) else {
                throw .malformed
            }
            contentLength = length
        case (0, _): throw .repeatedField(.contentLength)
        default: throw .malformed
        }

        let options = Set(head.headers[canonicalForm: "connection"].map { $0.lowercased() })
        // NIO's parser accepts no more requests after one with `Upgrade`, which this server never performs.
        let requestsUpgrade = head.headers.contains(name: "upgrade")
        // HTTP/1.0 proxies without keep-alive support may forward the option (RFC 9112, appendix C.2.2), so HTTP/1.0
        // connections are always closed.
        keepsAlive = !requestsUpgrade && !options.contains("close") && !isHTTP10

        var fields = HeaderFields(reservingBytes: size)
        fields.append(.method, head.method.rawValue)
        fields.append(.scheme, isEncrypted ? "https" : "http")
        if !host.isEmpty { fields.append(.authority, host) }
        fields.append(.path, target)
        for (name, value) in head.headers {
            let name = name.lowercased()
            guard !Self.connectionSpecific.contains(name), !options.contains(name) else { continue }
            guard Self.isFieldValue(value) else { throw .malformed }
            fields.append(name: name, Self.withoutTrailingWhitespace(value))
        }
        self.fields = fields
    }

    /// Connection-specific fields (RFC 9110, 7.6.1), and fields that are converted above.
    private static let connectionSpecific: Set<String> = [
        "connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    ]

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
    private static func withoutTrailingWhitespace(_ text: String) -> String {
        guard let last = text.utf8.last, last.isASCIIWhitespace else { return text }
        let end = text.utf8.lastIndex { !$0.isASCIIWhitespace }.map(text.utf8.index(after:)) ?? text.startIndex
        return String(text[..<end])
    }

    /// Whether a field value has no control characters except tab (RFC 9110, 5.5).
    private static func isFieldValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
