import Domain

/// The precondition of a change: the state of the account that the caller has read (RFC 9110, 13.1.1 and 13.1.4).
enum ChangeCondition: Sendable, Equatable {
    /// `If-Match: *`.
    case anyState
    /// The strong entity tags of `If-Match`. A weak one never matches (RFC 9110, 8.8.3.2).
    case entityTags([[UInt8]])
    /// `If-Unmodified-Since`, in seconds since 1970.
    case unmodifiedSince(Int64)

    /// `nil` for a request without preconditions.
    ///
    /// A precondition that cannot be read is an error. RFC 9110 ignores an invalid date, but a change must not be made
    /// without the precondition that its caller relies on.
    ///
    /// - Throws: `invalid`.
    init?(of request: HTTPRequest) throws(BillingFailure) {
        guard request.fields[.ifNoneMatch] == nil else {
            throw .invalid([.init(field: "if-none-match", message: "Not permitted for a change. Use If-Match.")])
        }
        // `If-Unmodified-Since` is ignored if `If-Match` is present (RFC 9110, 13.2.2).
        if let list = request.fields.list(.ifMatch) {
            self = try Self.ifMatch(list)
        } else if let date = request.fields.string(.ifUnmodifiedSince) {
            guard let seconds = HTTPDate.secondsSinceEpoch(date) else {
                throw .invalid([
                    .init(
                        field: "if-unmodified-since", message: "Must be a date such as Sun, 06 Nov 1994 08:49:37 GMT.")
                ])
            }
            self = .unmodifiedSince(seconds)
        } else {
            return nil
        }
    }

    private static func ifMatch(_ list: String) throws(BillingFailure) -> ChangeCondition {
        let members = FieldList.parts(of: list[...], hasEscapes: false)
        if members == ["*"] { return .anyState }
        let isValid = members.allSatisfy { member in
            let tag = member.hasPrefix("W/") ? member.dropFirst(2) : member
            return tag.count >= 2 && tag.hasPrefix("\"") && tag.hasSuffix("\"")
                && !tag.dropFirst().dropLast().contains("\"")
        }
        guard isValid, !members.isEmpty else {
            throw .invalid([.init(field: "if-match", message: "Must be entity tags in quotes, or *.")])
        }
        return .entityTags(members.filter { !$0.hasPrefix("W/") }.map { Array($0.utf8) })
    }

    /// - Parameter answer: The state of the account now.
    func isMet(by answer: BillingAnswer) -> Bool {
        switch self {
        case .anyState: true
        case .entityTags(let tags): tags.contains(answer.etag)
        case .unmodifiedSince(let seconds): answer.lastModified <= seconds
        }
    }
}
