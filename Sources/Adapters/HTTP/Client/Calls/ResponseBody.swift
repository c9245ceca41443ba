package import NIOCore

/// Reads a response body as it arrives, with back-pressure: a peer can send no more than a bounded number of bytes that are
/// not read. Releasing it before the end cancels the request.
package final class ResponseBody: Sendable {
    private let call: NIOLoopBound<StreamedCall>

    init(_ call: NIOLoopBound<StreamedCall>) {
        self.call = call
    }

    deinit {
        cancel()
    }

    /// Returns the next bytes, or `nil` at the end of a complete body. Only one task may read at a time.
    ///
    /// - Throws: `connectionLost`, `resetByPeer`, `malformed`: the body is incomplete. `timedOut`: the peer is silent.
    ///   `cancelled`.
    package func next() async throws(HTTPFailure) -> ByteBuffer? {
        let call = call
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                call.eventLoop.runInLoop { call.value.read(InboundBody.Waiter(continuation)) }
            }
        } onCancel: {
            call.eventLoop.execute { call.value.fail(.cancelled) }
        }
        return try result.get()
    }

    /// Cancels the request unless its response has ended: HTTP/2 resets the stream, HTTP/1.1 closes the connection.
    package func cancel() {
        let call = call
        call.eventLoop.execute { call.value.fail(.cancelled) }
    }
}
