/// Answers requests. Called on the event loop of the connection, which must not be held.
///
/// HEAD is answered like GET: bodies are left out on the way to the peer.
package protocol RequestHandler: Sendable {
    func reply(to request: HTTPRequest) -> Reply

    /// The answer to a request whose field section is larger than the limits allow; none of it was kept.
    func replyToExcessiveHead() -> HTTPResponse
}

/// How a request is answered.
package enum Reply: Sendable {
    /// What can be said at once: no task is started.
    case now(HTTPResponse)

    /// What takes a while. Runs on the connection's event loop, and is cancelled when the stream goes away.
    case eventually(@Sendable () async -> HTTPResponse)

    /// A field section now and a body as it is made, likewise.
    case stream(HTTPResponse, @Sendable (BodyWriter) async -> StreamEnding)
}

/// How a streamed body ends.
package enum StreamEnding: Sendable {
    /// Cleanly: the reader has all of it.
    case complete
    /// By RST_STREAM(INTERNAL_ERROR) after what was written, so that nobody takes it for all.
    case broken
}
