import NIOCore

/// The state of a message body being sent: unsent bytes, and a producer that waits for the buffer to drain.
struct OutboundBody {
    /// A waiting producer. A class, see `InboundBody.Waiter`.
    final class Waiter {
        private let continuation: CheckedContinuation<Bool, Never>

        init(_ continuation: CheckedContinuation<Bool, Never>) {
            self.continuation = continuation
        }

        func resume(returning isOpen: Bool) {
            continuation.resume(returning: isOpen)
        }
    }

    enum Ending {
        /// The producer may append more bytes.
        case open
        /// The buffered bytes are the last.
        case complete
        /// The stream is reset after the buffered bytes, so that the peer knows the body is incomplete.
        case broken
        /// The stream is closed: nothing more is sent.
        case closed
    }

    /// The content of the next DATA frame.
    enum Next: Equatable {
        case bytes(Int, isLast: Bool)
        case nothingYet
        case reset
    }

    private var ready = ByteBuffer()
    private var ending = Ending.open
    private var waiter: Waiter?

    /// Whether nghttp2 got NGHTTP2_ERR_DEFERRED for this body and has to be resumed.
    private var isDeferred = false

    /// Bytes sent so far.
    private(set) var sentBytes = 0

    var readyBytes: Int { ready.readableBytes }

    mutating func append(_ bytes: ByteBuffer) {
        guard case .open = ending else { return }
        if ready.readableBytes == 0 {
            ready = bytes
        } else {
            ready.writeImmutableBuffer(bytes)
        }
    }

    /// Sets a complete body. Returns `false` if it is empty.
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

    /// Appends the bytes and suspends their producer until `send` or `close` returns it.
    mutating func suspend(_ producer: Waiter, with bytes: ByteBuffer) {
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

    /// Records that nghttp2 is deferred although there may be bytes to send.
    mutating func deferNext() {
        isDeferred = true
    }

    /// Moves `count` bytes into the frame being written. Returns the suspended producer once at most `lowWaterBytes` are
    /// left; the caller resumes it with `true`.
    mutating func send(_ count: Int, into output: inout ByteBuffer, lowWaterBytes: Int) -> Waiter? {
        output.writeImmutableBuffer(ready.readSlice(length: count) ?? ByteBuffer())
        sentBytes += count
        guard ready.readableBytes <= lowWaterBytes else { return nil }
        defer { waiter = nil }
        return waiter
    }

    /// Whether nghttp2 has to be resumed for newly appended bytes; resets the flag.
    mutating func takeDeferral() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    /// Records that the stream is closed. Returns the suspended producer, if any; the caller resumes it with `false`.
    mutating func close() -> Waiter? {
        ending = .closed
        ready = ByteBuffer()
        defer { waiter = nil }
        return waiter
    }
}
