import NIOCore

/// The body of the peer's message while it comes in: bytes not yet read, or a reader waiting for them.
struct InboundBody {
    /// A reader that waits. An object, since an enum with a continuation in it has a layout known at run time only, and
    /// every request would pay for that.
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

    /// Bytes the peer sent.
    private(set) var receivedBytes = 0

    /// Whether a reader waits for more.
    var isAwaited: Bool {
        switch state {
        case .awaited: true
        case .open, .ended, .failed: false
        }
    }

    /// Bytes the peer sent that its flow-control window has not been credited for.
    private(set) var uncreditedBytes = 0

    /// Takes bytes from the peer; a waiting reader, if any, is to be resumed with what comes back.
    mutating func received(_ bytes: ByteBuffer) -> Waiter? {
        uncreditedBytes += bytes.readableBytes
        receivedBytes += bytes.readableBytes
        switch state {
        case .open(var unread):
            // Taken out of the state first, so that appending does not copy what is already there.
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

    /// Reads what is there: bytes, the end (`nil`), a failure; or keeps the reader until one of them comes.
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

    /// Counts bytes as credited to the peer; answers how many of them were still owed.
    mutating func credit(_ count: Int) -> Int {
        let owed = min(count, uncreditedBytes)
        uncreditedBytes -= owed
        return owed
    }
}
