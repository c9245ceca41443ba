/// A request with a complete, validated field section. HTTP/1.1 requests are converted to HTTP/2 form: `:method`,
/// `:path`, `:authority` and lower-case names.
package struct HTTPRequest: Sendable {
    package let fields: HeaderFields
    package let body: BodyReader
    package let peer: PeerInfo

    // Ranges in `fields` instead of slices: copying them needs no reference counting.
    private let methodRange: Range<Int>
    private let targetRange: Range<Int>

    /// The end of the path, where the query starts.
    private let pathEnd: Int

    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    let awaitsContinue: Bool

    /// The value of `Content-Length`; 0 if absent.
    let contentLength: Int

    /// - Throws: `Refusal` for requests that the HTTP parsers accept but this server does not.
    init(
        fields: HeaderFields, body: BodyReader, peer: PeerInfo, targetBytesMax: Int
    ) throws(Refusal) {
        if let name = fields.firstRepeated(of: Self.singletons) { throw .repeatedField(name) }
        let known = fields.ranges(of: Self.known)
        guard let methodRange = known[0] else { throw .malformed }
        let method = fields.value(at: methodRange)
        guard !method.elementsEqual(Self.connect) else { throw .connectMethod }
        guard let targetRange = known[1] else { throw .malformed }
        let target = fields.value(at: targetRange)
        guard target.count <= targetBytesMax else { throw .excessiveTarget }
        pathEnd = try Self.pathEnd(of: target, method)

        let authority = known[2].map { fields.value(at: $0) }
        let host = known[3].map { fields.value(at: $0) }
        // `:authority` and `Host` must be equal, since intermediaries may use either (RFC 9113, 8.3.1).
        if let authority, let host, !authority.equalsIgnoringCase(host) { throw .malformed }
        if let name = authority ?? host, name.isEmpty || !name.allSatisfy(Self.isAuthority) { throw .malformed }

        awaitsContinue = known[4] != nil
        if awaitsContinue, !fields.list(.expect, hasOnly: "100-continue") { throw .unknownExpectation }
        if known[5] != nil, !fields.list(.contentEncoding, hasOnly: "identity") { throw .encodedBody }
        contentLength =
            known[6].map { Int(String(decoding: fields.value(at: $0), as: UTF8.self)) ?? .max } ?? 0
        self.fields = fields
        self.body = body
        self.peer = peer
        self.methodRange = methodRange
        self.targetRange = targetRange
    }

    private static let known: InlineArray<7, FieldName> = [
        .method, .path, .authority, .host, .expect, .contentEncoding, .contentLength,
    ]

    /// Request fields that must not be repeated, since they are not lists (RFC 9110, 5.3; W3C Trace Context, 3.2).
    private static let singletons: [FieldName] = [
        .authorization, .contentLength, .contentRange, .contentType, .date, .from, .host, .ifModifiedSince, .ifRange,
        .ifUnmodifiedSince, .maxForwards, .proxyAuthorization, .range, .referer, .requestID, .traceparent, .userAgent,
    ]

    private static let connect = Array("CONNECT".utf8)
    private static let options = Array("OPTIONS".utf8)
    private static let asterisk = Array("*".utf8)

    /// Validates the target: origin form, or `*` for OPTIONS (RFC 9112, 3.2).
    ///
    /// - Returns: The end of its path.
    private static func pathEnd(of target: ArraySlice<UInt8>, _ method: ArraySlice<UInt8>) throws(Refusal) -> Int {
        guard target.first == UInt8(ascii: "/") else {
            guard target.elementsEqual(asterisk), method.elementsEqual(options) else { throw .malformed }
            return target.endIndex
        }
        let pathBytes = pathBytes
        let end = target.withUnsafeBufferPointer { bytes -> Int? in
            var index = 0
            while index < bytes.count, pathBytes.contains(bytes[index]) { index += 1 }
            guard index < bytes.count else { return index }
            let end = index
            guard bytes[index] == UInt8(ascii: "?") else { return nil }
            // Queries are validated less strictly: clients encode them carelessly, and they do not affect routing.
            while index < bytes.count {
                guard bytes[index].isASCIIVisible, bytes[index] != UInt8(ascii: "#") else { return nil }
                index += 1
            }
            return end
        }
        guard let end else { throw .malformed }
        return target.startIndex + end
    }

    /// A set of ASCII bytes as a bit set.
    private struct ByteSet {
        private var low: UInt64 = 0
        private var high: UInt64 = 0

        init(_ text: String) {
            for byte in text.utf8 {
                if byte < 64 { low |= 1 << UInt64(byte) } else if byte < 128 { high |= 1 << UInt64(byte - 64) }
            }
        }

        @inline(__always)
        func contains(_ byte: UInt8) -> Bool {
            guard byte < 128 else { return false }
            return (byte < 64 ? low : high) &>> UInt64(byte & 63) & 1 == 1
        }
    }

    /// The bytes allowed in a path (RFC 3986, 3.3).
    private static let pathBytes = ByteSet(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@%/")

    /// Whether a byte is allowed in an authority: no user information, path or whitespace. The host name is not checked.
    static func isAuthority(_ byte: UInt8) -> Bool { authorityBytes.contains(byte) }

    static func isAuthority(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let allowed = authorityBytes
        for byte in bytes where !allowed.contains(byte) { return false }
        return !bytes.isEmpty
    }

    /// Visible ASCII without `@ / ? # , \ " < >`.
    private static let authorityBytes = ByteSet(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=:%[]^`{|}")

    /// The request method, which is case-sensitive (RFC 9110, 9.1).
    package var method: ArraySlice<UInt8> { fields.value(at: methodRange) }

    /// `:path` with its query, percent-encoded as received.
    package var target: ArraySlice<UInt8> { fields.value(at: targetRange) }

    /// The target without its query, percent-encoded as received.
    package var path: ArraySlice<UInt8> {
        fields.value(at: targetRange.lowerBound..<pathEnd)
    }

    /// The query after the first question mark, percent-encoded; `nil` without a question mark.
    package var query: ArraySlice<UInt8>? {
        pathEnd < targetRange.upperBound ? fields.value(at: pathEnd + 1..<targetRange.upperBound) : nil
    }
}
