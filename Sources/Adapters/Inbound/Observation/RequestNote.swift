import Domain

/// What is known of a request once it has been looked at: for the log, the metrics and its span, and so nothing personal and
/// nothing secret.
struct RequestNote: Sendable {
    enum Route: Int, Sendable, CaseIterable {
        case none
        case billing
        case billingStream

        /// Without what differs from request to request.
        var template: String {
            switch self {
            case .none: "none"
            case .billing: "/v2/accounts/{accountId}/billing"
            case .billingStream: "/v2/billing/stream"
            }
        }
    }

    enum Method: Int, Sendable, CaseIterable {
        case get
        case head
        case post
        case other

        /// As OpenTelemetry has it: a method that is not known is whatever a peer has chosen to write.
        var name: String {
            switch self {
            case .get: "GET"
            case .head: "HEAD"
            case .post: "POST"
            case .other: "_OTHER"
            }
        }
    }

    /// Where the answer came from.
    enum Cache: String, Sendable {
        case fresh
        case stale
        case missed
    }

    var route = Route.none
    var method = Method.other
    var caller: Name?
    var cache: Cache?
}
