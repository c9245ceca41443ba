/// Answers requests. Called on the event loop of the connection, which must not be held.
///
/// HEAD is answered like GET: bodies are left out on the way to the peer. No answer has fields that belong to a
/// connection; those are the connection's affair.
package protocol RequestHandler: Sendable {
    func reply(to request: HTTPRequest) -> Reply

    /// The answer to a request that the connection refuses.
    ///
    /// - Parameters:
    ///   - requestID: The `x-request-id` of the request, as far as it is known.
    ///   - peer: Whom it is from.
    func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse
}

/// Why a request is refused by the connection, before anybody looks at what it asks for.
package enum Refusal: Error, Sendable, Equatable {
    /// The field section is larger than the limits allow; none of it was kept.
    case excessiveHead
    /// The request breaks HTTP.
    case malformed
    /// A field that may come once came several times (RFC 9110, 5.3): servers and proxies may differ in which one counts.
    case repeatedField(FieldName)
    /// The path and its query are longer than the limits allow.
    case excessiveTarget
    /// The body is larger than the limits allow.
    case excessiveBody
    /// The body is encoded (RFC 9110, 8.4): a small one could become a huge one.
    case encodedBody
    /// CONNECT, which is for proxies.
    case connectMethod
    /// A method nobody knows, where the connection has to know it.
    case unknownMethod
    /// An `Expect` other than `100-continue` (RFC 9110, 10.1.1).
    case unknownExpectation
    /// The request did not arrive in time.
    case timedOut
    /// The answer was not made in time.
    case answerTimedOut
    /// There is more to do than there is room for.
    case overloaded
    /// The response is a stream, and HTTP/1.0 cannot tell the end of one from a broken connection.
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

/// How a request is answered.
package enum Reply: Sendable {
    /// What can be said at once: no task is started.
    case now(HTTPResponse)

    /// What takes a while. Runs on the connection's event loop, and is cancelled when the stream goes away.
    case eventually(@Sendable () async -> HTTPResponse)

    /// A field section now and a body as it is made, likewise.
    case stream(HTTPResponse, @Sendable (BodyWriter) async -> StreamEnding)

    /// Not at all: for servers that play one that fails. Runs as `eventually` does.
    case abandoned(@Sendable () async -> Abandonment)
}

/// How a request ends that is not answered.
package enum Abandonment: Sendable {
    /// By RST_STREAM(INTERNAL_ERROR); on HTTP/1.1 as `disconnect`.
    case reset
    /// By GOAWAY, after which the connection is closed; on HTTP/1.1 as `disconnect`.
    case goAway
    /// By closing the connection without a word.
    case disconnect
}

/// How a streamed body ends.
package enum StreamEnding: Sendable {
    /// Cleanly: the reader has all of it.
    case complete
    /// By RST_STREAM(INTERNAL_ERROR) after what was written, so that nobody takes it for all.
    case broken
}
