import Domain

/// The preconditions of a request: whether the client already has the current answer (RFC 9110, 13).
struct Conditions: Sendable {
    /// The entity tags of `If-None-Match` without `W/`, or `*`.
    private let ifNoneMatch: [[UInt8]]?
    private let ifModifiedSince: Int64?

    init(of request: borrowing HTTPRequest) {
        ifNoneMatch = request.fields.list(.ifNoneMatch).map { list in
            // The weak comparison ignores `W/` (RFC 9110, 8.8.3.2).
            FieldList.parts(of: list[...], hasEscapes: false).map { tag in
                Array((tag.hasPrefix("W/") ? tag.dropFirst(2) : tag).utf8)
            }
        }
        // `If-Modified-Since` is ignored if `If-None-Match` is present (RFC 9110, 13.1.3).
        ifModifiedSince =
            ifNoneMatch == nil ? request.fields.string(.ifModifiedSince).flatMap(HTTPDate.secondsSinceEpoch) : nil
    }

    var isEmpty: Bool { ifNoneMatch == nil && ifModifiedSince == nil }

    func isMet(by answer: BillingAnswer) -> Bool { isMet(etag: answer.etag, lastModified: answer.lastModified) }

    /// - Parameter lastModified: Seconds since 1970.
    func isMet(etag: [UInt8], lastModified: Int64) -> Bool {
        if let ifNoneMatch { return ifNoneMatch.contains { $0 == etag || $0 == Self.any } }
        return ifModifiedSince.map { lastModified <= $0 } ?? false
    }

    private static let any = Array("*".utf8)
}
