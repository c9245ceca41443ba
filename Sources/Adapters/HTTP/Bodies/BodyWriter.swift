package import NIOCore

/// Writes the body of a response as it is made, at the pace of whoever reads it.
package struct BodyWriter: Sendable {
    /// The peer went away, or the connection did.
    package struct Closed: Error {}

    private let exchange: NIOLoopBound<Exchange>

    init(_ exchange: NIOLoopBound<Exchange>) {
        self.exchange = exchange
    }

    /// Bytes of the body that have left so far; 0 for whoever asks on another loop.
    var takenBytes: Int { exchange.eventLoop.inEventLoop ? exchange.value.outbound.takenBytes : 0 }

    /// Whether the writer may do more work before others on its event loop are served. If not, it calls `waitForSlice`.
    func mayContinue() -> Bool {
        guard exchange.eventLoop.inEventLoop, let connection = exchange.value.connection else { return true }
        return connection.scheduler.mayContinue()
    }

    /// Returns when the event loop has served others.
    func waitForSlice() async {
        await exchange.waitForSlice()
    }

    /// Adds bytes to the body if nothing has to be waited for. Mostly there is room, and the writer is on the loop already.
    func writeAtOnce(_ bytes: ByteBuffer) -> Bool {
        guard exchange.eventLoop.inEventLoop, let connection = exchange.value.connection else { return false }
        return connection.append(bytes, to: exchange.value)
    }

    /// Adds bytes to the body, and waits while more than `Limits.streamWriteBytesMax` of it wait for the peer. For one
    /// writer at a time.
    package func write(_ bytes: ByteBuffer) async throws(Closed) {
        if writeAtOnce(bytes) { return }
        let goesOn = await withCheckedContinuation { continuation in
            exchange.eventLoop.runInLoop {
                let exchange = self.exchange.value
                guard let connection = exchange.connection else {
                    continuation.resume(returning: false)
                    return
                }
                connection.append(bytes, to: exchange, then: continuation)
            }
        }
        guard goesOn else { throw Closed() }
    }
}

extension NIOLoopBound<Exchange> {
    /// Returns in the next slice of the loop's time that streams have.
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
