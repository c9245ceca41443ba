package import NIOCore

/// Writes a streamed response body with back-pressure from the peer.
package struct BodyWriter: Sendable {
    /// The stream or its connection was closed.
    package struct Closed: Error {}

    private let exchange: NIOLoopBound<ServerExchange>

    init(_ exchange: NIOLoopBound<ServerExchange>) {
        self.exchange = exchange
    }

    /// Bytes of the body sent so far; 0 when read outside the connection's event loop.
    var sentBytes: Int { exchange.eventLoop.inEventLoop ? exchange.value.outbound.sentBytes : 0 }

    /// Whether the current time slice has room for more work. If not, call `waitForSlice()`.
    func mayContinue() -> Bool {
        guard exchange.eventLoop.inEventLoop, let connection = exchange.value.connection else { return true }
        return connection.scheduler.mayContinue()
    }

    /// Yields to other work on the event loop.
    func waitForSlice() async {
        await exchange.waitForSlice()
    }

    /// Appends bytes to the body if that needs no waiting: the fast path, on the event loop and below the high-water mark.
    /// Returns `false` if the caller must use `write`.
    func writeIfReady(_ bytes: ByteBuffer) -> Bool {
        guard exchange.eventLoop.inEventLoop, let connection = exchange.value.connection else { return false }
        return connection.append(bytes, to: exchange.value)
    }

    /// Appends bytes to the body and waits while more than `Limits.streamWriteBytesMax` bytes are unsent. Only one task
    /// may write at a time.
    package func write(_ bytes: ByteBuffer) async throws(Closed) {
        if writeIfReady(bytes) { return }
        let isOpen = await withCheckedContinuation { continuation in
            exchange.eventLoop.runInLoop {
                let exchange = self.exchange.value
                guard let connection = exchange.connection else {
                    continuation.resume(returning: false)
                    return
                }
                connection.append(bytes, to: exchange, then: continuation)
            }
        }
        guard isOpen else { throw Closed() }
    }
}

extension NIOLoopBound<ServerExchange> {
    /// Returns in the next time slice for streams on this event loop.
    func waitForSlice() async {
        await withCheckedContinuation { continuation in
            eventLoop.runInLoop {
                guard let connection = value.connection else {
                    continuation.resume()
                    return
                }
                connection.scheduler.enqueue { continuation.resume() }
            }
        }
    }
}
