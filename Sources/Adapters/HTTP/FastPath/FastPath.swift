/// Answers plain requests for prepared responses while their bytes are parsed.
///
/// Most requests ask for a cached answer, with a token and fields that change nothing. The general way makes objects for each
/// of them: a field section, a request, a response. The fast path makes none:
///
/// 1. While a field section arrives, `PlainFields` records where the values are that matter. Any other field, a repeated one
///    or an unusual value makes the request not plain. HTTP/2 sections come from nghttp2; heads of HTTP/1.1 are read by
///    `PlainHeadReader` before the parser sees them.
/// 2. At the end of the head of a plain GET or HEAD, the connection asks its `FastPath` for the response. That one knows what
///    a path means, who the caller is and what is cached; this room does not.
/// 3. A `PreparedResponse` refers to fields and a body that were encoded once, when the answer was cached. The connection adds
///    `Age`, `x-request-id` and `Date`, and sends them.
///
/// Whenever the fast path is not certain, the result is `nil` and the request goes the general way, as if nothing had
/// happened: through `HTTPRequest`, `RequestHandler` and `HTTPResponse`. The general way decides everything; the fast path
/// gives the same answers sooner. The tests compare the two byte by byte.
///
/// `PlainFields` lists the fields that it accepts. A request with any other field goes the general way. So a field that the
/// general way begins to use cannot be ignored here by mistake.
package protocol FastPath: AnyObject, Sendable {
    /// The response to a plain request, if it is prepared. Called on the event loop of the connection.
    ///
    /// - Parameter memory: What the fast path remembers of this connection. `nil` at first.
    func response(to request: borrowing PlainRequest, _ memory: inout ConnectionMemory?) -> PreparedResponse?
}

/// What a fast path remembers between the requests of one connection. A fast path subclasses it.
package class ConnectionMemory {
    package init() {}
}
