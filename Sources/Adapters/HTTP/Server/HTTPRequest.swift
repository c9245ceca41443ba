/// A request as it came, its field section complete and valid by the rules of HTTP. What came over HTTP/1.1 is said in
/// the words of HTTP/2: `:method`, `:path`, `:authority` and lower-case names.
package struct HTTPRequest: Sendable {
    package let fields: HeaderFields
    package let body: BodyReader
    package let peer: PeerInfo

    // Places in `fields` and not slices of it: a request is copied more often than it is looked at.
    private let methodRange: Range<Int>
    private let targetRange: Range<Int>

    /// Of the target, what is before its query.
    private let pathEnd: Int

    /// Whether the peer sends its body only when it is told to (RFC 9110, 10.1.1).
    let awaitsContinue: Bool

    /// The length the body is said to have; 0 where nothing is said.
    let contentLength: Int

    /// - Throws: what the parsers of HTTP let through and we do not.
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
        // Whoever looks at the one must find what whoever looks at the other does (RFC 9113, 8.3.1).
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

    /// Fields of a request that are no lists and so may come once (RFC 9110, 5.3; W3C Trace Context, 3.2).
    private static let singletons: [FieldName] = [
        .authorization, .contentLength, .contentRange, .contentType, .date, .from, .host, .ifModifiedSince, .ifRange,
        .ifUnmodifiedSince, .maxForwards, .proxyAuthorization, .range, .referer, .requestID, .traceparent, .userAgent,
    ]

    private static let connect = Array("CONNECT".utf8)
    private static let options = Array("OPTIONS".utf8)
    private static let asterisk = Array("*".utf8)

    /// Origin form, or the asterisk of OPTIONS (RFC 9112, 3.2).
    ///
    /// - Returns: Where its path ends.
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
            // Queries are written with less care, and nothing is found by them.
            while index < bytes.count {
                guard (0x21...0x7E).contains(bytes[index]), bytes[index] != UInt8(ascii: "#") else { return nil }
                index += 1
            }
            return end
        }
        guard let end else { throw .malformed }
        return target.startIndex + end
    }

    /// Bytes of ASCII, a bit for each.
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

    /// What can stand in a path (RFC 3986, 3.3).
    private static let pathBytes = ByteSet(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@%/")

    /// What can stand in an authority: no user, no path, no blanks. Which hosts there are is not known here.
    static func isAuthority(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: ","),
            UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"):
            false
        case 0x21...0x7E: true
        default: false
        }
    }

    /// The request method, as sent: methods are case-sensitive (RFC 9110, 9.1).
    package var method: ArraySlice<UInt8> { fields.value(at: methodRange) }

    /// `:path` as sent, undecoded, with its query.
    package var target: ArraySlice<UInt8> { fields.value(at: targetRange) }

    /// The target up to its query.
    package var path: ArraySlice<UInt8> {
        fields.value(at: targetRange.lowerBound..<pathEnd)
    }

    /// What follows the first question mark, if there is one.
    package var query: ArraySlice<UInt8>? {
        pathEnd < targetRange.upperBound ? fields.value(at: pathEnd + 1..<targetRange.upperBound) : nil
    }
}
