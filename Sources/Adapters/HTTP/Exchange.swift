import NIOCore

/// One request and its response on one stream, seen from either end.
///
/// Confined to the event loop of its connection. Created when the stream begins and owned by `HTTP2Handler` until
/// nghttp2 reports the stream closed (or the connection ends); nghttp2 holds an unretained pointer to it for that time
/// and no longer.
final class Exchange {
    /// The stream's identifier (RFC 9113, 5.1.1).
    var id: Int32

    /// Where the connection keeps it.
    var slot = 0

    /// `nil` once the stream is closed.
    private(set) var connection: HTTP2Handler?

    /// The peer's field section once it has come; still `nil` then if it was larger than the limits allow.
    var fields: HeaderFields?
    var inbound = InboundBody()
    var outbound = OutboundBody()

    /// The task that makes the answer, on a server.
    var task: Task<Void, Never>?

    /// Who waits for the answer, on a client.
    var call: ClientCall?

    /// Whether the request wants the fields of the answer alone, on a server.
    var isHead = false

    /// Whether the peer's message has ended, on a server.
    var isInboundOver = false

    /// Whether the frame that opens the stream has left, on a client.
    var wasSent = false

    init(id: Int32, connection: HTTP2Handler) {
        self.id = id
        self.connection = connection
    }

    /// The stream is gone: whoever waits for something of it hears so, and its work is cancelled.
    func close(_ failure: HTTPFailure) {
        guard connection != nil else { return }
        connection = nil
        // What came whole may still be read; and without a task nobody waits for anything.
        if !isInboundOver { inbound.failed(failure)?.resume(returning: .failure(failure)) }
        guard let task else { return }
        self.task = nil
        task.cancel()
        outbound.close()?.resume(returning: false)
    }
}
