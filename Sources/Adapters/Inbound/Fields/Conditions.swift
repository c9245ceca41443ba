import Domain

/// Whether a client has what it asks for already (RFC 9110, 13).
struct Conditions: Sendable {
    /// The tags of `If-None-Match`, or `*`, without marks of weakness.
    private let ifNoneMatch: [[UInt8]]?
    private let ifModifiedSince: Int64?

    init(of request: borrowing HTTPRequest) {
        ifNoneMatch = request.fields.list(.ifNoneMatch).map { list in
            // By the weak comparison: a mark of weakness does not count (RFC 9110, 8.8.3.2).
            FieldList.parts(of: list[...], hasEscapes: false).map { tag in
                Array((tag.hasPrefix("W/") ? tag.dropFirst(2) : tag).utf8)
            }
        }
        // Nothing of it counts beside the other (RFC 9110, 13.1.3).
        ifModifiedSince =
            ifNoneMatch == nil ? request.fields.string(.ifModifiedSince).flatMap(HTTPDate.secondsSinceEpoch) : nil
    }

    var isEmpty: Bool { ifNoneMatch == nil && ifModifiedSince == nil }

    func isMet(by answer: BillingAnswer) -> Bool {
        if let ifNoneMatch { return ifNoneMatch.contains { $0 == answer.etag || $0 == Self.any } }
        return ifModifiedSince.map { answer.lastModified <= $0 } ?? false
    }

    private static let any = Array("*".utf8)
}
