package import NIOCore

/// Reads the body of a request as it comes, crediting the peer's window for what was read and nothing else.
package struct BodyReader: Sendable {
    private let exchange: NIOLoopBound<Exchange>

    init(_ exchange: NIOLoopBound<Exchange>) {
        self.exchange = exchange
    }

    /// The next bytes, or `nil` at the end of the body. For one reader at a time.
    ///
    /// - Throws: `connectionLost`, `resetByPeer`: the rest will not come. `timedOut`: it comes too slowly.
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

    /// Returns when the event loop has served others: for a reader that has much to do with what it has read.
    func waitForSlice() async {
        await exchange.waitForSlice()
    }

    /// The whole body.
    ///
    /// - Throws: `tooLarge` above `bytesMax`; otherwise as `next`.
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
    /// Runs `body` now when already on the loop, else as the loop's next work.
    func runInLoop(_ body: @escaping @Sendable () -> Void) {
        if inEventLoop { body() } else { execute(body) }
    }
}
