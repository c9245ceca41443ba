package import NIOCore

/// Reads a request body as it arrives. Only bytes that were read are credited to the peer's flow-control window.
package struct BodyReader: Sendable {
    private let exchange: NIOLoopBound<ServerExchange>

    init(_ exchange: NIOLoopBound<ServerExchange>) {
        self.exchange = exchange
    }

    /// Returns the next bytes, or `nil` at the end of the body. Only one task may read at a time.
    ///
    /// - Throws: `connectionLost`, `resetByPeer`: the body is incomplete. `timedOut`: the body arrives too slowly.
    package func next() async throws(HTTPFailure) -> ByteBuffer? {
        let result = await withCheckedContinuation { continuation in
            exchange.eventLoop.runInLoop {
                let exchange = self.exchange.value
                switch exchange.inbound.read(InboundBody.Waiter(continuation)) {
                case .waits: exchange.connection?.inboundAwaited(on: exchange)
                case .returned(let result):
                    if case .success(let bytes?) = result {
                        exchange.connection?.inboundRead(bytes.readableBytes, on: exchange)
                    }
                    continuation.resume(returning: result)
                }
            }
        }
        return try result.get()
    }

    /// Yields to other work on the event loop. For readers that do much work per read.
    func waitForSlice() async {
        await exchange.waitForSlice()
    }

    /// Reads the whole body.
    ///
    /// - Throws: `tooLarge` above `bytesMax`; other errors as `next()`.
    package func collect(bytesMax: Int) async throws(HTTPFailure) -> ByteBuffer {
        var whole = ByteBuffer()
        while let bytes = try await next() {
            guard whole.readableBytes + bytes.readableBytes <= bytesMax else { throw .tooLarge }
            whole.writeImmutableBuffer(bytes)
        }
        return whole
    }
}

extension EventLoop {
    /// Runs `body` immediately if called on the event loop, otherwise schedules it there.
    func runInLoop(_ body: @escaping @Sendable () -> Void) {
        if inEventLoop { body() } else { execute(body) }
    }
}
