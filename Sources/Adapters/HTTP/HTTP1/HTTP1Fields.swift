import NIOHTTP1

/// The field section of an HTTP/1.1 request in the words of HTTP/2, and what the connection has to know of it.
///
/// What NIO's parser lets through and RFC 9112 does not is refused here.
struct HTTP1Fields {
    let fields: HeaderFields

    /// Whether the connection may be used for another request (RFC 9112, 9.3).
    let keepsAlive: Bool

    /// The length of the body; `nil` for one in chunks.
    let contentLength: Int?

    /// - Throws: `malformed`, `excessiveHead`.
    init(_ head: HTTPRequestHead, isEncrypted: Bool, limits: Limits) throws(Refusal) {
        guard head.version.major == 1 else { throw .malformed }
        guard head.method != .CONNECT else { throw .connectMethod }
        let isOld = head.version.minor == 0
        let size = head.headers.reduce(head.uri.utf8.count + 32) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        guard size <= limits.headerListBytesMax, head.headers.count <= limits.headerFieldsMax else {
            throw .excessiveHead
        }

        let hosts = head.headers["host"]
        guard hosts.count <= 1 else { throw .repeatedField(.host) }
        guard hosts.count == 1 || (isOld && hosts.isEmpty),
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
        case (1, 0) where !isOld && encodings[0].utf8.equalsIgnoringCase("chunked"): contentLength = nil
        case (0, 1):
            guard let length = Int(lengths[0]), lengths[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw .malformed
            }
            contentLength = length
        case (0, _): throw .repeatedField(.contentLength)
        default: throw .malformed
        }

        let options = Set(head.headers[canonicalForm: "connection"].map { $0.lowercased() })
        // NIO's parser takes nothing after a request that asks for another protocol, which we never change to.
        let asksForUpgrade = head.headers.contains(name: "upgrade")
        // In 1.0 proxies that do not know keep-alive pass it on (RFC 9112, appendix C.2.2), so it is never kept.
        keepsAlive = !asksForUpgrade && !options.contains("close") && !isOld

        var fields = HeaderFields(reservingBytes: size)
        fields.append(.method, head.method.rawValue)
        fields.append(.scheme, isEncrypted ? "https" : "http")
        if !host.isEmpty { fields.append(.authority, host) }
        fields.append(.path, target)
        for (name, value) in head.headers {
            let name = name.lowercased()
            guard !Self.ofTheConnection.contains(name), !options.contains(name) else { continue }
            guard Self.isFieldValue(value) else { throw .malformed }
            fields.append(name: name, Self.withoutTrailingBlanks(value))
        }
        self.fields = fields
    }

    /// Fields that belong to one connection and not to what it carries (RFC 9110, 7.6.1), and those said otherwise above.
    private static let ofTheConnection: Set<String> = [
        "connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// The target as `:path`: origin form, `*` for OPTIONS, or absolute form if it names the same authority as `Host`.
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

    /// Blanks behind a value are no part of it (RFC 9112, 5.1). The parser removes those before it alone.
    private static func withoutTrailingBlanks(_ text: String) -> String {
        guard let last = text.utf8.last, isBlank(last) else { return text }
        let end = text.utf8.lastIndex { !isBlank($0) }.map(text.utf8.index(after:)) ?? text.startIndex
        return String(text[..<end])
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// RFC 9110, 5.5: no control character but the tab.
    private static func isFieldValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
