package import NIOCore

/// The state of a message body being sent: unsent bytes, and a producer that waits for the buffer to drain.
package struct OutboundBody {
    /// A waiting producer. A class, see `InboundBody.Waiter`.
    package final class Waiter {
        private let continuation: CheckedContinuation<Bool, Never>

        package init(_ continuation: CheckedContinuation<Bool, Never>) {
            self.continuation = continuation
        }

        package func resume(returning isOpen: Bool) {
            continuation.resume(returning: isOpen)
        }
    }

    package enum Ending {
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
    package enum Next: Equatable {
        case bytes(Int, isLast: Bool)
        case nothingYet
        case reset
    }

    private var ready = ByteQueue()
    private var ending = Ending.open
    private var waiter: Waiter?

    /// Whether nghttp2 got NGHTTP2_ERR_DEFERRED for this body and has to be resumed.
    private var isDeferred = false

    /// Bytes sent so far.
    package private(set) var sentBytes = 0

    package init() {}

    package var readyBytes: Int { ready.count }

    package mutating func append(_ bytes: ByteBuffer) {
        guard case .open = ending else { return }
        ready.append(bytes)
    }

    /// Sets a complete body. Returns `false` if it is empty.
    mutating func fill(with whole: ByteBuffer) -> Bool {
        guard whole.readableBytes > 0 else { return false }
        append(whole)
        end(.complete)
        return true
    }

    package mutating func end(_ newEnding: Ending) {
        guard case .open = ending else { return }
        ending = newEnding
    }

    /// Appends the bytes and suspends their producer until `send` or `close` returns it.
    package mutating func suspend(_ producer: Waiter, with bytes: ByteBuffer) {
        precondition(waiter == nil, "a body has one producer")
        append(bytes)
        waiter = producer
    }

    package mutating func next(limit: Int) -> Next {
        let count = min(limit, ready.count)
        let isLast: Bool
        switch ending {
        case .complete: isLast = count == ready.count
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

    /// Passes the next `count` bytes to `write`, in one or more buffers. Returns the suspended producer once at most
    /// `lowWaterBytes` are left; the caller resumes it with `true`.
    package mutating func send(_ count: Int, lowWaterBytes: Int, _ write: (ByteBuffer) -> Void) -> Waiter? {
        var left = count
        while left > 0, ready.count > 0 {
            let bytes = ready.removeFirst(limit: left)
            left -= bytes.readableBytes
            write(bytes)
        }
        sentBytes += count
        guard ready.count <= lowWaterBytes else { return nil }
        defer { waiter = nil }
        return waiter
    }

    /// The rest of a complete body, if it is one buffer of this size. Counts it as sent.
    mutating func sendRest(_ count: Int) -> ByteBuffer? {
        guard case .complete = ending, let rest = ready.removeOnly(size: count) else { return nil }
        sentBytes += count
        return rest
    }

    /// Makes it ready for another response, after it was closed.
    mutating func reuse() {
        precondition(waiter == nil, "a producer still waits")
        if ready.count > 0 { ready.removeAll() }
        ending = .open
        isDeferred = false
        sentBytes = 0
    }

    /// Whether nghttp2 has to be resumed for newly appended bytes; resets the flag.
    mutating func takeDeferral() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    /// Records that the stream is closed. Returns the suspended producer, if any; the caller resumes it with `false`.
    package mutating func close() -> Waiter? {
        ending = .closed
        ready.removeAll()
        defer { waiter = nil }
        return waiter
    }
}
