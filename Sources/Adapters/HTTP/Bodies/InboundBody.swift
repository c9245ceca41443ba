import NIOCore

/// The state of a message body being received: unread bytes, or a reader waiting for more.
struct InboundBody {
    /// A waiting reader. A class, because an enum with a generic continuation as payload has a layout known only at run
    /// time, which would slow down every request.
    final class Waiter {
        private let continuation: CheckedContinuation<Result<ByteBuffer?, HTTPFailure>, Never>

        init(_ continuation: CheckedContinuation<Result<ByteBuffer?, HTTPFailure>, Never>) {
            self.continuation = continuation
        }

        func resume(returning result: Result<ByteBuffer?, HTTPFailure>) {
            continuation.resume(returning: result)
        }
    }

    private enum State {
        case open(unread: ByteBuffer?)
        case awaited(Waiter)
        case ended(unread: ByteBuffer?)
        case failed(HTTPFailure)
    }

    private var state = State.open(unread: nil)

    /// All body bytes received so far.
    private(set) var receivedBytes = 0

    /// Whether a reader is waiting.
    var isAwaited: Bool {
        switch state {
        case .awaited: true
        case .open, .ended, .failed: false
        }
    }

    /// Received bytes not yet credited to the peer's flow-control window.
    private(set) var uncreditedBytes = 0

    /// Adds bytes received from the peer. Returns the waiting reader, if any; the caller resumes it with these bytes.
    mutating func received(_ bytes: ByteBuffer) -> Waiter? {
        uncreditedBytes += bytes.readableBytes
        receivedBytes += bytes.readableBytes
        switch state {
        case .open(var unread):
            // Removed from the state first, so that appending does not copy the buffer.
            state = .open(unread: nil)
            unread.setOrWriteImmutableBuffer(bytes)
            state = .open(unread: unread)
            return nil
        case .awaited(let waiter):
            state = .open(unread: nil)
            return waiter
        case .ended, .failed:
            return nil
        }
    }

    mutating func ended() -> Waiter? {
        switch state {
        case .open(let unread):
            state = .ended(unread: unread)
            return nil
        case .awaited(let waiter):
            state = .ended(unread: nil)
            return waiter
        case .ended, .failed:
            return nil
        }
    }

    mutating func failed(_ failure: HTTPFailure) -> Waiter? {
        switch state {
        case .awaited(let waiter):
            state = .failed(failure)
            return waiter
        case .open:
            state = .failed(failure)
            return nil
        case .ended, .failed:
            return nil
        }
    }

    enum ReadAction {
        case returned(Result<ByteBuffer?, HTTPFailure>)
        case waits
    }

    /// Returns available bytes, the end (`nil`) or a failure; otherwise stores the reader until one of them arrives.
    mutating func read(_ waiter: Waiter) -> ReadAction {
        switch state {
        case .open(let unread?):
            state = .open(unread: nil)
            return .returned(.success(unread))
        case .open(nil):
            state = .awaited(waiter)
            return .waits
        case .awaited:
            preconditionFailure("a body has one reader")
        case .ended(let unread):
            state = .ended(unread: nil)
            return .returned(.success(unread))
        case .failed(let failure):
            return .returned(.failure(failure))
        }
    }

    /// Marks up to `count` bytes as credited to the peer. Returns how many of them were still uncredited.
    mutating func credit(_ count: Int) -> Int {
        let owed = min(count, uncreditedBytes)
        uncreditedBytes -= owed
        return owed
    }
}
