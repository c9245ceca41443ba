import Domain

/// What the access log, the metrics and the span say of a request: nothing personal and nothing secret.
struct RequestNote: Sendable {
    /// Where the answer came from.
    enum Cache: String, Sendable {
        case fresh
        case stale
        case missed
    }

    var route = RouteLabel.none
    var method = RequestMethod.unknown
    var caller: Name?
    var cache: Cache?
}
