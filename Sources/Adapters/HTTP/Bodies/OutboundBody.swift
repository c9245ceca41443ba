import NIOCore

/// The body of our message: bytes that wait for the peer's window, and a producer that waits for them to leave.
struct OutboundBody {
    /// A producer that waits. An object for the reason given at `InboundBody.Waiter`.
    final class Waiter {
        private let continuation: CheckedContinuation<Bool, Never>

        init(_ continuation: CheckedContinuation<Bool, Never>) {
            self.continuation = continuation
        }

        func resume(returning goesOn: Bool) {
            continuation.resume(returning: goesOn)
        }
    }

    enum Ending {
        /// More may come.
        case open
        /// What is ready is the rest.
        case complete
        /// After what is ready the stream is reset, so that nobody takes the body for complete.
        case broken
        /// The stream is gone: nothing will be sent.
        case closed
    }

    /// What nghttp2 is to be told when it asks for the next frame.
    enum Next: Equatable {
        case bytes(Int, isLast: Bool)
        case nothingYet
        case reset
    }

    private var ready = ByteBuffer()
    private var ending = Ending.open
    private var waiter: Waiter?

    /// Whether nghttp2 was told to come back later, and so has to be woken.
    private var isDeferred = false

    /// Bytes that have left.
    private(set) var takenBytes = 0

    var readyBytes: Int { ready.readableBytes }

    mutating func append(_ bytes: ByteBuffer) {
        guard case .open = ending else { return }
        if ready.readableBytes == 0 {
            ready = bytes
        } else {
            ready.writeImmutableBuffer(bytes)
        }
    }

    /// Takes a body that is there as a whole. Whether there is anything of it to send.
    mutating func fill(with whole: ByteBuffer) -> Bool {
        guard whole.readableBytes > 0 else { return false }
        append(whole)
        end(.complete)
        return true
    }

    mutating func end(_ newEnding: Ending) {
        guard case .open = ending else { return }
        ending = newEnding
    }

    /// Takes the bytes and holds their producer until `send` or `close` lets it go on.
    mutating func hold(_ producer: Waiter, with bytes: ByteBuffer) {
        precondition(waiter == nil, "a body has one producer")
        append(bytes)
        waiter = producer
    }

    mutating func next(limit: Int) -> Next {
        let count = min(limit, ready.readableBytes)
        let isLast: Bool
        switch ending {
        case .complete: isLast = count == ready.readableBytes
        case .open, .closed: isLast = false
        case .broken:
            if count == 0 { return .reset }
            isLast = false
        }
        guard count > 0 || isLast else {
            isDeferred = true
            return .nothingYet
        }
        return .bytes(count, isLast: isLast)
    }

    /// nghttp2 is told to come back later, though there may be bytes.
    mutating func postpone() {
        isDeferred = true
    }

    /// Moves `count` bytes into the frame being written. A producer that was held is to be resumed with `true`.
    mutating func send(_ count: Int, into output: inout ByteBuffer, lowWaterBytes: Int) -> Waiter? {
        output.writeImmutableBuffer(ready.readSlice(length: count) ?? ByteBuffer())
        takenBytes += count
        guard ready.readableBytes <= lowWaterBytes else { return nil }
        defer { waiter = nil }
        return waiter
    }

    /// Whether nghttp2 has to be woken for the bytes just added.
    mutating func takeDeferral() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    /// The stream is gone. A producer that was held is to be resumed with `false`.
    mutating func close() -> Waiter? {
        ending = .closed
        ready = ByteBuffer()
        defer { waiter = nil }
        return waiter
    }
}
