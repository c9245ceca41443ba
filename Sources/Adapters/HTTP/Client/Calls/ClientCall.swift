import NIOCore

/// A call's request on its connection.
protocol SentRequest: AnyObject {
    /// Cancels the request of `call`.
    func cancel(_ call: ClientCall, _ failure: HTTPFailure)

    /// Called when buffered body bytes were read.
    func bodyRead(_ count: Int)
}

/// A pending request: waits for the response, the deadline or cancellation. `WholeCall` collects the response,
/// `StreamedCall` passes its body on in pieces.
///
/// Confined to the event loop of its client.
package class ClientCall {
    /// What a connection does with received body bytes.
    enum Intake {
        /// The call has taken the bytes. The connection credits them to the peer.
        case taken
        /// The bytes wait for a reader. The connection credits them when `SentRequest.bodyRead` reports that they were read.
        case buffered
        /// The body exceeds the size limit.
        case excessive
    }

    final let request: ClientRequest
    final let eventLoop: any EventLoop
    private final let deadlines: CallDeadlines
    @exclusivity(unchecked) private final var deadline: CallDeadlines.Deadline?
    @exclusivity(unchecked) private final var firstByteDeadline: CallDeadlines.Deadline?
    @exclusivity(unchecked) private final var attempts = 0

    /// `nil` before the request is sent, and after the response has ended.
    @exclusivity(unchecked) private final var sent: (any SentRequest)?

    /// How often an unprocessed request is sent in total.
    private static let attemptsMax = 3

    /// The pool that sends the call; `nil` once the call has ended.
    final weak var pool: ConnectionPool?

    /// Whether the call waits in the queue of its pool.
    final var isQueued = false

    /// - Parameter timeout: Until `release()` is called.
    init(_ request: ClientRequest, timeout: TimeAmount, eventLoop: any EventLoop) {
        self.request = request
        self.eventLoop = eventLoop
        deadlines = CallDeadlines.of(eventLoop)
        deadline = addDeadline(after: timeout)
    }

    // MARK: The response, for subclasses

    /// Fails the call with `timedOut` after `duration`, unless the deadline is cancelled.
    final func addDeadline(after duration: TimeAmount) -> CallDeadlines.Deadline {
        deadlines.add(self, after: duration)
    }

    /// Body bytes that wait for a reader.
    var unreadBytes: Int { 0 }

    /// Whether the response may be too long to be received and discarded after the call was cancelled.
    var isStreamed: Bool { false }

    /// Whether the request may be sent again if it was not processed.
    var mayResend: Bool { preconditionFailure("overridden") }

    /// Called when the head of the response was received. Overrides call `super`.
    func headReceived(_ fields: HeaderFields) {
        firstByteDeadline?.cancel()
        firstByteDeadline = nil
    }

    /// Called when body bytes were received.
    func received(_ bytes: ByteBuffer) -> Intake { preconditionFailure("overridden") }

    /// Called at the end of the response. Overrides call `super`.
    func ended() {
        sent = nil
        release()
    }

    /// Ends the call with a failure. Overrides call `super`.
    func complete(_ failure: HTTPFailure) {
        sent = nil
        release()
    }

    /// Ends the time limit of the call, and its connection to the pool.
    final func release() {
        deadline?.cancel()
        deadline = nil
        firstByteDeadline?.cancel()
        firstByteDeadline = nil
        pool = nil
    }

    /// Reports to the connection that buffered body bytes were read.
    final func bodyRead(_ count: Int) {
        sent?.bodyRead(count)
    }

    // MARK: The request, for the pool and its connections

    /// Records that the request was passed to a connection, which reports the outcome.
    final func began(firstByteWithin firstByte: TimeAmount, _ sent: any SentRequest) {
        self.sent = sent
        attempts += 1
        request.sendMark?.set()
        firstByteDeadline = addDeadline(after: firstByte)
    }

    /// Handles a failure reported by the connection. An unprocessed request is sent again.
    final func failed(_ failure: HTTPFailure) {
        sent = nil
        firstByteDeadline?.cancel()
        firstByteDeadline = nil
        if failure == .unprocessed, mayResend, attempts < Self.attemptsMax, let pool {
            pool.submit(self)
        } else {
            complete(failure)
        }
    }

    /// Cancels the request in the queue or on its connection, and ends the call with `failure`.
    final func fail(_ failure: HTTPFailure) {
        if isQueued { pool?.dequeue(self) }
        if let sent {
            self.sent = nil
            sent.cancel(self, failure)
        }
        complete(failure)
    }
}
