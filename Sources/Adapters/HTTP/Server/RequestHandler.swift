/// Handles requests. Called on the event loop of the connection and must not block it.
///
/// HEAD is handled like GET; the connection omits the body. Responses must not contain connection-specific fields, which
/// the connection adds itself.
package protocol RequestHandler: Sendable {
    func reply(to request: HTTPRequest) -> Reply

    /// Answers plain requests sooner, with what `reply` would answer; `nil` if all requests go to `reply`.
    var fastPath: (any FastPath)? { get }

    /// Returns the response to a request that the connection refuses.
    ///
    /// - Parameters:
    ///   - requestID: The request's `x-request-id`, if known.
    ///   - peer: The remote end of the connection.
    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse
}

extension RequestHandler {
    package var fastPath: (any FastPath)? { nil }
}

/// The reason why the connection refuses a request before routing it.
package enum Refusal: Error, Sendable, Equatable {
    /// The field section exceeds the limits and was discarded.
    case excessiveHead
    /// The request is not valid HTTP.
    case malformed
    /// A field that must not be repeated occurs several times (RFC 9110, 5.3). Servers and proxies could disagree about
    /// which one applies.
    case repeatedField(FieldName)
    /// The path with its query exceeds the limit.
    case excessiveTarget
    /// The body exceeds the limit.
    case excessiveBody
    /// The body has a content coding (RFC 9110, 8.4). Not supported, since it could be a decompression bomb.
    case encodedBody
    /// CONNECT, which only proxies support.
    case connectMethod
    /// A method that the HTTP/1.1 parser does not know.
    case unknownMethod
    /// An `Expect` other than `100-continue` (RFC 9110, 10.1.1).
    case unknownExpectation
    /// The request was not received in time.
    case timedOut
    /// The response was not ready in time.
    case answerTimedOut
    /// The server has too many requests in flight or too little memory.
    case overloaded
    /// The response is a stream, and HTTP/1.0 has no way to mark its end.
    case upgradeRequired

    package var status: Int {
        switch self {
        case .malformed, .repeatedField: 400
        case .connectMethod: 405
        case .timedOut: 408
        case .excessiveBody: 413
        case .excessiveTarget: 414
        case .encodedBody: 415
        case .unknownExpectation: 417
        case .upgradeRequired: 426
        case .excessiveHead: 431
        case .unknownMethod: 501
        case .overloaded: 503
        case .answerTimedOut: 504
        }
    }
}

/// A handler's reply to a request.
package enum Reply: Sendable {
    /// A response that is available immediately. Needs no task.
    case now(HTTPResponse)

    /// A response that is computed asynchronously on the connection's event loop. Cancelled when the stream closes.
    case eventually(@Sendable () async -> HTTPResponse)

    /// A response head, and a body that is streamed asynchronously. Cancelled when the stream closes.
    case stream(HTTPResponse, @Sendable (BodyWriter) async -> StreamEnding)

    /// As `eventually`, but the body of the response may be streamed.
    case eventuallyStreamed(@Sendable () async -> EventualReply)

    /// No response, to simulate a failing server. Runs like `eventually`.
    case abandoned(@Sendable () async -> Abandonment)
}

/// A reply that was computed.
package enum EventualReply: Sendable {
    case whole(HTTPResponse)

    /// As `Reply.stream`.
    case stream(HTTPResponse, @Sendable (BodyWriter) async -> StreamEnding)
}

/// The end of a request without a response.
package enum Abandonment: Sendable {
    /// RST_STREAM(INTERNAL_ERROR); on HTTP/1.1 like `disconnect`.
    case reset
    /// GOAWAY and then closing the connection; on HTTP/1.1 like `disconnect`.
    case goAway
    /// Closing the connection without GOAWAY.
    case disconnect
}

/// The end of a streamed body.
package enum StreamEnding: Sendable {
    /// The body is complete.
    case complete
    /// The body is incomplete: RST_STREAM(INTERNAL_ERROR) follows the written bytes.
    case broken
}
