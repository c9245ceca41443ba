package import NIOCore

/// An HTTP/2 client connection of a connection pool.
package final class HTTP2ClientHandler: HTTP2Handler, ClientConnection {
    let applicationProtocol = ApplicationProtocol.http2

    private let events: ConnectionEvents

    /// The timeout from sending a request to the head of its response.
    private let firstByte: TimeAmount

    private var isRetired = false
    private var cancels: TokenBucket

    /// Called when the keepalive PING is acknowledged.
    private var pingAnswer: (() -> Void)?

    package init(
        events: ConnectionEvents, firstByte: TimeAmount, limits: Limits, timeouts: Timeouts, eventLoop: any EventLoop
    ) {
        self.events = events
        self.firstByte = firstByte
        cancels = TokenBucket(limits.cancels, now: .now())
        super.init(role: .client, limits: limits, timeouts: timeouts, eventLoop: eventLoop, peer: .unknown)
    }

    /// Safe because all exchanges of a client are made by `send`.
    private static func client(_ exchange: Exchange) -> ClientExchange {
        unsafeDowncast(exchange, to: ClientExchange.self)
    }

    // MARK: Requests

    var acceptsRequests: Bool { session != nil && state.acceptsStreams && !isRetired }

    var lastReceived: NIODeadline { readTime }

    package func send(_ call: ClientCall) {
        guard acceptsRequests, let session else {
            call.failed(.unprocessed)
            return
        }
        let exchange = ClientExchange(call, on: self)
        let hasBody = exchange.outbound.fill(with: call.request.body)
        guard session.submitRequest(call.request.fields, hasBody: hasBody, on: exchange) else {
            retire()
            call.failed(.unprocessed)
            return
        }
        add(exchange)
        call.began(firstByteWithin: firstByte, exchange)
        setNeedsFlush()
        rearm(.now())
    }

    override func headersSent(on exchange: Exchange) {
        Self.client(exchange).headersSent()
    }

    func ping(_ answered: @escaping () -> Void) {
        pingAnswer = answered
        session?.submitPing(.keepalive)
        setNeedsFlush()
    }

    override func keepaliveAnswered() {
        pingAnswer?()
        pingAnswer = nil
    }

    // MARK: Responses

    override func headReceived(
        on exchange: Exchange, fields: HeaderFields, bytes: Int, isExcessive: Bool, endsStream: Bool
    ) {
        let exchange = Self.client(exchange)
        guard !isExcessive else {
            fail(exchange, .tooLarge)
            return
        }
        if exchange.fields == nil {
            // An interim response (RFC 9110, 15.2).
            let isInterim = fields[.status]?.first == UInt8(ascii: "1")
            if isInterim, !endsStream {
                exchange.interimResponses += 1
                if exchange.interimResponses > limits.interimResponsesMax { fail(exchange, .malformed) }
                return
            }
            exchange.fields = fields
            exchange.call?.headReceived(fields)
        }
        if endsStream { messageEnded(on: exchange) }
    }

    override func dataReceived(_ bytes: ByteBuffer, on exchange: Exchange) {
        let exchange = Self.client(exchange)
        switch exchange.call?.received(bytes) ?? .taken {
        case .taken: session?.consume(bytes.readableBytes, on: exchange)
        case .excessive:
            session?.consume(bytes.readableBytes, on: exchange)
            fail(exchange, .tooLarge)
        // The window of the connection is credited at once: otherwise a few slow readers would stop all other responses.
        case .buffered: session?.consumeOnConnection(bytes.readableBytes)
        }
    }

    /// Credits buffered bytes that were read to the window of the stream.
    func bodyRead(_ count: Int, on exchange: ClientExchange) {
        switch exchange.state {
        case .queued, .sent:
            session?.consumeOnStream(count, of: exchange)
            setNeedsFlush()
        case .abandoned, .closed: break
        }
    }

    override func messageEnded(on exchange: Exchange) {
        let exchange = Self.client(exchange)
        exchange.takeCall()?.ended()
    }

    /// Fails an exchange and resets its stream.
    func fail(_ exchange: ClientExchange, _ failure: HTTPFailure) {
        if case .closed = exchange.state { return }
        let call = exchange.takeCall()
        call?.failed(failure)
        switch failure {
        // Above the rate of `Limits.cancels` the stream stays open and its response is discarded.
        case .cancelled, .timedOut:
            guard cancels.take(at: .now()) || call?.isStreamed == true else { return }
        case .notConnected, .connectionLost, .resetByPeer, .unprocessed, .tooLarge, .malformed: break
        }
        reset(exchange, .cancel)
    }

    // MARK: Ending

    override func streamClosed(_ exchange: Exchange, code: HTTP2ErrorCode) {
        // After a refused stream, further requests go to a new connection.
        if code == .refusedStream { drain() }
        Self.client(exchange).close(code.streamFailure)
        super.streamClosed(exchange, code: code)
    }

    override func goAwayReceived(_ code: HTTP2ErrorCode) {
        if code == .enhanceYourCalm { events.enhanceYourCalmReceived() }
        retire()
    }

    private func retire() {
        guard !isRetired else { return }
        isRetired = true
        events.retired(self)
    }

    package override func drain() {
        retire()
        // Abandoned streams must not delay the drain.
        for case let exchange? in exchanges {
            if case .abandoned = Self.client(exchange).state { session?.reset(exchange, .cancel) }
        }
        super.drain()
    }

    override func connectionLost(on exchange: Exchange) {
        Self.client(exchange).close(.connectionLost)
    }

    override func teardown() {
        retire()
        // Breaks a reference cycle through the closure.
        pingAnswer = nil
        super.teardown()
    }

    // MARK: Time

    override func checkTimeouts(of exchange: Exchange, at now: NIODeadline) {
        guard exchange.isWriteStalled(at: now, timeouts: timeouts, limits: limits) else { return }
        if isWritable {
            reset(exchange, .cancel)
        } else {
            // The whole connection is stalled, so RST_STREAM could not be sent either.
            close()
        }
    }
}
