import Domain

/// Whether a client has what it asks for already (RFC 9110, 13).
struct Conditions: Sendable {
    private let ifNoneMatch: [UInt8]?
    private let ifModifiedSince: Int64?

    init(of request: borrowing HTTPRequest) {
        // A copy, since a slice would keep all fields for as long as the answer takes.
        ifNoneMatch =
            request.fields[.ifNoneMatch] == nil ? nil : request.fields.list(.ifNoneMatch).map { Array($0.utf8) }
        // Nothing of it counts beside the other (RFC 9110, 13.1.3).
        ifModifiedSince =
            ifNoneMatch == nil ? request.fields.string(.ifModifiedSince).flatMap(HTTPDate.secondsSinceEpoch) : nil
    }

    var isEmpty: Bool { ifNoneMatch == nil && ifModifiedSince == nil }

    func isMet(by answer: BillingAnswer) -> Bool {
        if let ifNoneMatch { return Self.list(ifNoneMatch, names: answer.etag) }
        return ifModifiedSince.map { answer.lastModified <= $0 } ?? false
    }

    /// By the weak comparison: a mark of weakness in front does not count (RFC 9110, 8.8.3.2). No comma stands in our tags.
    private static func list(_ list: [UInt8], names etag: [UInt8]) -> Bool {
        list.split(separator: UInt8(ascii: ",")).contains { item in
            var item = item.drop { $0 == 0x20 || $0 == 0x09 }
            while let last = item.last, last == 0x20 || last == 0x09 { item.removeLast() }
            if item.elementsEqual("*".utf8) { return true }
            if item.starts(with: "W/".utf8) { item = item.dropFirst(2) }
            return item.elementsEqual(etag)
        }
    }
}
