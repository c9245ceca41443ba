/// The methods of HTTP (RFC 9110, 9; PATCH: RFC 5789), and one case for all others.
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
    case unknown

    /// Methods are case-sensitive (RFC 9110, 9.1).
    init(_ method: ArraySlice<UInt8>) {
        let candidates: [RequestMethod] =
            switch method.count {
            case 3: Self.ofThreeLetters
            case 4: Self.ofFourLetters
            default: Self.longer
            }
        self = candidates.first { method.elementsEqual($0.name.utf8) } ?? .unknown
    }

    private static let ofThreeLetters: [RequestMethod] = [.get, .put]
    private static let ofFourLetters: [RequestMethod] = [.head, .post]
    private static let longer: [RequestMethod] = [.patch, .delete, .options, .trace, .connect]

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
        case .unknown: "_OTHER"
        }
    }
}
