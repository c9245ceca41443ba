/// A request as it came, its field section complete and valid by the rules of HTTP. What came over HTTP/1.1 is said in
/// the words of HTTP/2: `:method`, `:path`, `:authority` and lower-case names.
package struct HTTPRequest: Sendable {
    package let fields: HeaderFields
    package let body: BodyReader
    package let peer: PeerInfo

    // Places in `fields` and not slices of it: a request is copied more often than it is looked at.
    private let methodRange: Range<Int>
    private let targetRange: Range<Int>

    init?(fields: HeaderFields, body: BodyReader, peer: PeerInfo) {
        guard let methodRange = fields.range(of: .method), let targetRange = fields.range(of: .path) else { return nil }
        self.fields = fields
        self.body = body
        self.peer = peer
        self.methodRange = methodRange
        self.targetRange = targetRange
    }

    /// The request method, as sent: methods are case-sensitive (RFC 9110, 9.1).
    package var method: ArraySlice<UInt8> { fields.value(at: methodRange) }

    /// `:path` as sent, undecoded, with its query.
    package var target: ArraySlice<UInt8> { fields.value(at: targetRange) }

    /// The target up to its query.
    package var path: ArraySlice<UInt8> {
        let target = target
        return target[..<(target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex)]
    }

    /// What follows the first question mark, if there is one.
    package var query: ArraySlice<UInt8>? {
        let target = target
        return target.firstIndex(of: UInt8(ascii: "?")).map { target[($0 + 1)...] }
    }
}
