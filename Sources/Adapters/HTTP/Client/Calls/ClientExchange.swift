/// An exchange of an HTTP/2 client: adds the call that waits for the response.
final class ClientExchange: Exchange {
    enum State {
        /// The HEADERS frame is queued: the server has seen nothing of the request.
        case queued(ClientCall)
        /// The HEADERS frame was sent.
        case sent(ClientCall)
        /// The call was completed, but the stream is still open; the rest of the response is discarded.
        case abandoned
        case closed
    }

    private(set) var state: State

    /// The number of interim responses received.
    var interimResponses = 0

    private weak var connection: HTTP2ClientHandler?

    init(_ call: ClientCall, on connection: HTTP2ClientHandler) {
        state = .queued(call)
        self.connection = connection
        super.init(id: -1)
    }

    /// The call, unless it was completed.
    var call: ClientCall? {
        switch state {
        case .queued(let call), .sent(let call): call
        case .abandoned, .closed: nil
        }
    }

    func headersSent() {
        if case .queued(let call) = state { state = .sent(call) }
    }

    /// Removes the call, which the caller completes; the stream stays open.
    func takeCall() -> ClientCall? {
        guard let call else { return nil }
        state = .abandoned
        return call
    }

    /// Records that the stream is closed and completes the call with `failure`, or with `unprocessed` if the request was
    /// not sent.
    func close(_ failure: HTTPFailure) {
        let last = state
        state = .closed
        switch last {
        case .queued(let call): call.failed(.unprocessed)
        case .sent(let call): call.failed(failure)
        case .abandoned, .closed: break
        }
    }
}

extension ClientExchange: SentRequest {
    func cancel(_ call: ClientCall, _ failure: HTTPFailure) { connection?.fail(self, failure) }

    func bodyRead(_ count: Int) { connection?.bodyRead(count, on: self) }
}
