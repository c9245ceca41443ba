/// The methods of HTTP (RFC 9110, 9; PATCH: RFC 5789; QUERY: RFC 10008), and one case for all others.
enum RequestMethod: Int, Sendable, CaseIterable {
    case get
    case head
    case post
    case put
    case patch
    case delete
    case options
    case trace
    case connect
    case query
    case unknown

    /// Methods are case-sensitive (RFC 9110, 9.1).
    init(_ method: ArraySlice<UInt8>) {
        let candidate: RequestMethod =
            switch (method.count, method.first) {
            case (3, UInt8(ascii: "G")): .get
            case (3, _): .put
            case (4, UInt8(ascii: "P")): .post
            case (4, _): .head
            case (5, UInt8(ascii: "P")): .patch
            case (5, UInt8(ascii: "Q")): .query
            case (5, _): .trace
            case (6, _): .delete
            case (7, UInt8(ascii: "O")): .options
            case (7, _): .connect
            case (_, _): .unknown
            }
        self = method.elementsEqual(Self.texts[candidate.rawValue]) ? candidate : .unknown
    }

    private static let texts = allCases.map { Array($0.name.utf8) }

    /// The method, as metrics and spans name it. OpenTelemetry writes `_OTHER` for an unknown method, since clients choose
    /// its text.
    var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .connect: "CONNECT"
        case .query: "QUERY"
        case .unknown: "_OTHER"
        }
    }
}
