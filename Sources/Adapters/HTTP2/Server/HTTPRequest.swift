/// A request as it came, its field section complete and valid by the rules of HTTP/2.
package struct HTTPRequest: Sendable {
    /// The request method, as sent: methods are case-sensitive (RFC 9110, 9.1).
    package let method: ArraySlice<UInt8>

    /// `:path` as sent, undecoded, with its query.
    package let target: ArraySlice<UInt8>

    package let fields: HeaderFields
    package let body: BodyReader

    init?(fields: HeaderFields, body: BodyReader) {
        guard let method = fields[.method], let target = fields[.path] else { return nil }
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
    }

    /// The target up to its query.
    package var path: ArraySlice<UInt8> {
        target.prefix { $0 != UInt8(ascii: "?") }
    }

    /// What follows the first question mark, if there is one.
    package var query: ArraySlice<UInt8>? {
        guard let mark = target.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        return target[(mark + 1)...]
    }
}
