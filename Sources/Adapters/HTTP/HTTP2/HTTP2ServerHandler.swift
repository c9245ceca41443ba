import NIOCore

/// An HTTP/2 server connection. Requests are dispatched after the session has processed a read.
package final class HTTP2ServerHandler: HTTP2Handler, Connection {
    private let requestHandler: any RequestHandler
    private let fastPath: (any FastPath)?
    @exclusivity(unchecked) private var connectionMemory: ConnectionMemory?
    private let exchangePool: ExchangePool
    let load: ServerLoad
    let work = RunningWork()
    let executor: EventLoopExecutor

    /// Requests to dispatch after the session has returned, in order.
    @exclusivity(unchecked) private var ready: [ServerExchange] = []

    /// The total size of the field sections of in-flight requests.
    @exclusivity(unchecked) private var requestBytes = 0

    @exclusivity(unchecked) private var buffers: BufferAccount

    package init(
        requestHandler: any RequestHandler, load: ServerLoad, limits: Limits, timeouts: Timeouts,
        executor: EventLoopExecutor, peer: PeerInfo
    ) {
        self.requestHandler = requestHandler
        fastPath = requestHandler.fastPath
        self.load = load
        self.executor = executor
        exchangePool = ExchangePool.of(executor.eventLoop)
        buffers = BufferAccount(load: load)
        super.init(role: .server, limits: limits, timeouts: timeouts, eventLoop: executor.eventLoop, peer: peer)
    }

    /// Safe because all exchanges of a server are made by `requestBegan`.
    private static func server(_ exchange: Exchange) -> ServerExchange {
        unsafeDowncast(exchange, to: ServerExchange.self)
    }

    // MARK: Requests

    override func requestBegan(on streamID: Int32) -> Exchange {
        let exchange = exchangePool.exchange(id: streamID, connection: self, began: readTime)
        add(exchange)
        return exchange
    }

    /// Sends a prepared response. A submitted frame is only queued, so this is permitted while nghttp2 receives.
    override func answersAtOnce(
        _ exchange: Exchange, _ fields: PlainFields, in bytes: UnsafeRawBufferPointer, sectionBytes: Int
    ) -> Bool {
        // Requests over a limit go the general way, which refuses them.
        guard let fastPath, work.count < limits.streamsOpenMax,
            requestBytes + sectionBytes <= limits.requestBytesMax,
            let request = PlainRequest.make(
                fields, in: bytes, from: peer, arrived: readTime, targetBytesMax: limits.pathBytesMax),
            let response = fastPath.response(to: request, &connectionMemory)
        else { return false }
        let exchange = Self.server(exchange)
        let hasBody = exchange.beginPrepared(response.body)
        session?.submitPrepared(response, hasBody: hasBody, on: exchange)
        setNeedsFlush()
        return true
    }

    override func headReceived(
        on exchange: Exchange, fields: HeaderFields, bytes: Int, isExcessive: Bool, endsStream: Bool
    ) {
        let exchange = Self.server(exchange)
        exchange.headBytes = bytes
        exchange.fields = isExcessive ? nil : fields
        if isExcessive { triggered(.headerFields) }
        exchange.isHead = fields[.method]?.elementsEqual(Self.head) ?? false
        requestBytes += bytes
        guard requestBytes <= limits.requestBytesMax else {
            refuse(exchange, .requestBytes)
            return
        }
        ready.append(exchange)
        if endsStream { messageEnded(on: exchange) }
    }

    private static let head = Array("HEAD".utf8)

    override func dataReceived(_ bytes: ByteBuffer, on exchange: Exchange) {
        let exchange = Self.server(exchange)
        if let reader = exchange.inbound.received(bytes) {
            inboundRead(bytes.readableBytes, on: exchange)
            reader.resume(returning: .success(bytes))
        }
        if exchange.inbound.receivedBytes > exchange.bodyBytesMax, !exchange.hasResponded {
            refuseBody(of: exchange, requestHandler)
        }
    }

    override func messageEnded(on exchange: Exchange) {
        exchange.input = .complete
        exchange.inbound.ended()?.resume(returning: .success(nil))
    }

    override func readProcessed() {
        guard !ready.isEmpty else { return }
        // Swapped out, since a synchronous response may close a stream and change `ready`.
        var batch: [ServerExchange] = []
        swap(&batch, &ready)
        for exchange in batch where exchange.connection != nil {
            // A reset stream counts until its task has ended, so that resets do not allow more concurrent work.
            guard work.count < limits.streamsOpenMax else {
                refuse(exchange, .streams)
                continue
            }
            dispatch(exchange, to: requestHandler)
        }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &ready)
    }

    /// Refuses a request before processing, so that the client may retry it on another connection (RFC 9113, 8.7).
    private func refuse(_ exchange: ServerExchange, _ defence: Defence) {
        triggered(defence)
        reset(exchange, .refusedStream)
    }

    override func triggered(_ defence: Defence) {
        load.triggered(defence, against: peer.address)
    }

    // MARK: Responses

    func respond(_ response: HTTPResponse, on exchange: ServerExchange) {
        guard !exchange.hasResponded else { return }
        exchange.response = .begun
        // The response to HEAD has the fields of GET, including content-length, and no body (RFC 9110, 9.3.2).
        let hasBody = !exchange.isHead && exchange.outbound.fill(with: response.body)
        session?.submitResponse(response.fields, hasBody: hasBody, on: exchange)
        setNeedsFlush()
    }

    func carriesStreams(to exchange: ServerExchange) -> Bool { true }

    func beginStream(_ head: HTTPResponse, on exchange: ServerExchange) {
        exchange.response = .begun
        session?.submitResponse(head.fields, hasBody: true, on: exchange)
        setNeedsFlush()
    }

    func abandon(_ exchange: ServerExchange, by abandonment: Abandonment) {
        guard !exchange.hasResponded else { return }
        switch abandonment {
        case .reset: reset(exchange, .internalError)
        case .goAway:
            session?.terminate(.noError)
            closeAfterFlush()
        case .disconnect:
            // Scheduled, since the channel must not be closed from inside a read.
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            eventLoop.execute { bound.value.close() }
        }
    }

    func outboundChanged(on exchange: ServerExchange) {
        if exchange.outbound.takeDeferral() { session?.resume(exchange) }
        setNeedsFlush()
    }

    /// A streamed body that has used up the time slice continues in the next one; other bodies are not limited.
    override func mayContinue(_ exchange: Exchange) -> Bool {
        guard exchange.isStreamed, !scheduler.maySend() else { return true }
        exchange.outbound.deferNext()
        let exchange = Self.server(exchange)
        if !exchange.isEnqueued {
            exchange.isEnqueued = true
            scheduler.enqueue {
                exchange.isEnqueued = false
                exchange.connection?.outboundChanged(on: exchange)
            }
        }
        return false
    }

    func inboundRead(_ count: Int, on exchange: ServerExchange) {
        session?.consume(exchange.inbound.credit(count), on: exchange)
        setNeedsFlush()
    }

    func inboundAwaited(on exchange: ServerExchange) {
        guard exchange.takeContinue() else { return }
        session?.submitContinue(on: exchange)
        setNeedsFlush()
    }

    /// The rest of the request is discarded for up to `Limits.lingerMax`: the peer is not interrupted while it sends, and
    /// its protocol errors are still detected.
    override func responseEnded(on exchange: Exchange) {
        exchange.input = .discarded
        Self.server(exchange).response = .ended(at: eventTime)
        let unread = exchange.inbound.uncreditedBytes
        if unread > 0 { session?.consumeOnConnection(exchange.inbound.credit(unread)) }
    }

    // MARK: Ending

    override func streamClosed(_ exchange: Exchange, code: HTTP2ErrorCode) {
        let exchange = Self.server(exchange)
        exchange.close(code.streamFailure)
        requestBytes -= exchange.headBytes
        super.streamClosed(exchange, code: code)
        exchangePool.take(exchange)
    }

    /// Cancels the task of every stream. Streamed bodies end as broken.
    package func cancelExchanges() {
        for case let exchange? in exchanges { Self.server(exchange).task?.cancel() }
    }

    package func endIfIdle() {
        if !hasExchanges { drain() }
    }

    /// No more responses are sent, and no more data is buffered for the peer.
    override func sessionEnded() {
        ready.removeAll()
        cancelExchanges()
        buffers.report(0)
    }

    override func connectionLost(on exchange: Exchange) {
        Self.server(exchange).close(.connectionLost)
    }

    override func teardown() {
        ready.removeAll()
        super.teardown()
        buffers.report(0)
    }

    // MARK: Memory and time

    override func outputWritten() {
        buffers.report(bufferedBytes)
    }

    private var bufferedBytes: Int {
        let waiting = isWritable ? 0 : limits.connectionWriteBytesMax
        guard hasExchanges else { return waiting }
        return exchanges.reduce(waiting) { $0 + ($1?.bufferedBytes ?? 0) }
    }

    override func checkTimeouts(of exchange: Exchange, at now: NIODeadline) {
        let exchange = Self.server(exchange)
        guard exchange.connection != nil else { return }
        if exchange.isWriteStalled(at: now, timeouts: timeouts, limits: limits) {
            triggered(.slowReader)
            if isWritable {
                exchange.task?.cancel()
                reset(exchange, .cancel)
            } else {
                // The whole connection is stalled, so RST_STREAM could not be sent either.
                close()
            }
        } else if exchange.isOverdue(at: now, timeouts: timeouts) {
            exchange.task?.cancel()
            refuse(.answerTimedOut, exchange, requestHandler)
        } else if exchange.isReadStalled(at: now, timeouts: timeouts, limits: limits) {
            triggered(.slowBody)
            exchange.inbound.failed(.timedOut)?.resume(returning: .failure(.timedOut))
        } else if case .ended(let endedAt) = exchange.response, endedAt + limits.lingerMax <= now {
            // Stops the rest of the request after a complete response (RFC 9113, 8.1).
            reset(exchange, .noError)
        }
    }
}
