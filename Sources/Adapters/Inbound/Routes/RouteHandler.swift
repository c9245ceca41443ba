import Domain
import Instrumentation

/// What one method of a path does.
protocol RouteHandler: Sendable {
    /// Called on the event loop of the connection, which must not be blocked.
    ///
    /// - Parameter note: Receives what the access log and the metrics say of the request.
    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply
}

/// What is known of a request when its handler is called.
struct RouteContext: Sendable {
    let method: RequestMethod
    let parameters: PathParameters
    let caller: Caller
    let credential: CallerCredential
    let requestID: RequestID

    /// The trace context of the request's span; `nil` if no spans are recorded.
    let trace: InstrumentationContext?
}

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
