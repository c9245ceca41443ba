package import NIOCore

/// An HTTP/2 connection, server or client, as the last handler of its channel.
///
/// Received bytes go to the session. Requests that become complete are dispatched after the session has returned, and the
/// output of a read is sent in one flush. While the socket is not writable, nothing is serialised or read, so that a peer
/// that does not read occupies a bounded amount of memory.
package final class HTTP2Handler: ChannelDuplexHandler, Connection, ClientConnection {
    let applicationProtocol = ApplicationProtocol.http2

    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package enum Role {
        case server(any RequestHandler, ServerLoad)
        /// - Parameter firstByte: The timeout from sending a request to the head of its response.
        case client(ConnectionEvents, firstByte: TimeAmount)

        var isServer: Bool {
            switch self {
            case .server: true
            case .client: false
            }
        }
    }

    private let role: Role

    /// The request handler of a server, stored separately so that the request path need not match `role`.
    private let requestHandler: (any RequestHandler)?
    let load: ServerLoad?
    let work = RunningWork()
    let limits: Limits
    let executor: EventLoopExecutor
    let scheduler: StreamScheduler
    let peer: PeerInfo
    package let eventLoop: any EventLoop
    private let timeouts: Timeouts

    private var session: Session?
    private var context: ChannelHandlerContext?
    private var state: HTTP2ConnectionState
    private var drainTimer: Scheduled<Void>?
    private var watch: ConnectionWatch
    private let watchTimer: ConnectionTimer

    /// The open streams, each at the index `Exchange.slot`.
    private var exchanges: [Exchange?] = []
    private var freeSlots: [Int] = []

    /// Requests to dispatch after the session has returned, in order.
    private var ready: [Exchange] = []

    /// The total size of the field sections of in-flight requests.
    private var requestBytes = 0

    private var buffers: BufferAccount
    private var lingeredBytes = 0

    private var isReading = false
    private var isFlushScheduled = false
    private var isReadHeld = false
    private var isRetired = false

    private var cancels: TokenBucket

    /// Called when the keepalive PING is acknowledged.
    private var pingAnswer: (() -> Void)?

    /// The start of the current or last read.
    private var readTime = NIODeadline.now()

    package init(
        role: Role, limits: Limits, timeouts: Timeouts, executor: EventLoopExecutor, peer: PeerInfo
    ) {
        self.role = role
        self.limits = limits
        self.timeouts = timeouts
        self.executor = executor
        scheduler = StreamScheduler.of(executor.eventLoop)
        self.peer = peer
        eventLoop = executor.eventLoop
        watch = ConnectionWatch(timeouts: timeouts, limits: limits, isHTTP2: true, now: readTime)
        watchTimer = ConnectionTimer(eventLoop)
        cancels = TokenBucket(limits.cancels, now: readTime)
        switch role {
        case .server(let handler, let load):
            requestHandler = handler
            self.load = load
            state = HTTP2ConnectionState(drainsInTwoSteps: true)
        case .client:
            requestHandler = nil
            load = nil
            state = HTTP2ConnectionState(drainsInTwoSteps: false)
        }
        buffers = BufferAccount(load: load)
    }

    // MARK: The channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        session = Session(role: role.isServer ? .server : .client, limits: limits, handler: self)
        if context.channel.isActive { start() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        teardown()
    }

    package func channelActive(context: ChannelHandlerContext) {
        start()
        context.fireChannelActive()
    }

    private func start() {
        flush()
        rearm(.now())
    }

    package func channelInactive(context: ChannelHandlerContext) {
        teardown()
        context.fireChannelInactive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !state.isClosed, let session else {
            lingeredBytes += bytes.readableBytes
            if lingeredBytes > limits.lingerBytesMax { context.close(promise: nil) }
            return
        }
        isReading = true
        readTime = .now()
        watch.received(at: readTime)
        let received = session.receive(bytes)
        switch received {
        case .taken: dispatchReady()
        case .failed:
            ready.removeAll()
            closeAfterFlush()
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
        rearm(readTime)
        context.fireChannelReadComplete()
    }

    package func read(context: ChannelHandlerContext) {
        // Reading pauses while the peer does not read.
        if context.channel.isWritable {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    private func releaseRead() {
        guard isReadHeld, let context, context.channel.isWritable else { return }
        isReadHeld = false
        context.read()
    }

    private var bufferedBytes: Int {
        let waiting = context?.channel.isWritable == false ? limits.connectionWriteBytesMax : 0
        guard hasExchanges else { return waiting }
        return exchanges.reduce(waiting) { $0 + ($1?.bufferedBytes ?? 0) }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            flush()
            releaseRead()
        }
        context.fireChannelWritabilityChanged()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Sending

    /// Writes the session's output while the socket is writable.
    private func flush() {
        guard let context, let session, !state.isClosed else { return }
        var hasWritten = false
        while context.channel.isWritable,
            let bytes = session.drain(
                bytesMax: limits.connectionWriteBytesMax / 4, allocator: context.channel.allocator)
        {
            context.write(wrapOutboundOut(bytes), promise: nil)
            hasWritten = true
        }
        if hasWritten { context.flush() }
        if load != nil { buffers.settle(bufferedBytes) }
        if session.isBreached {
            session.terminateForBreach()
            closeAfterFlush()
        } else if session.isOver {
            closeAfterFlush()
        }
    }

    /// Schedules a flush: at the end of the current read, otherwise after the loop's current task, so that responses that
    /// become ready together are sent together.
    private func setNeedsFlush() {
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            bound.value.isFlushScheduled = false
            bound.value.flush()
        }
    }

    /// Flushes the remaining output and closes our side. The channel closes when the peer closes its side, or after
    /// `Limits.lingerMax`. If the socket were closed with unread input, the kernel would send RST and the peer could lose
    /// the last responses.
    private func closeAfterFlush() {
        guard let context, let session, state.sessionEnded() == .close else { return }
        // No more responses are sent, and no more data is buffered for the peer.
        cancelExchanges()
        buffers.settle(0)
        let last = session.drain(bytesMax: limits.connectionWriteBytesMax / 4, allocator: context.channel.allocator)
        let bound = NIOLoopBound(context, eventLoop: eventLoop)
        context.writeAndFlush(wrapOutboundOut(last ?? ByteBuffer())).whenComplete { _ in
            bound.value.close(mode: .output, promise: nil)
        }
        drainTimer?.cancel()
        drainTimer = eventLoop.scheduleTask(in: limits.lingerMax) { bound.value.close(promise: nil) }
    }

    /// Fails all exchanges after the connection was closed.
    private func teardown() {
        state.channelInactive()
        retire()
        // Breaks a reference cycle through the closure.
        pingAnswer = nil
        drainTimer?.cancel()
        drainTimer = nil
        watchTimer.cancel()
        ready.removeAll()
        for exchange in exchanges {
            guard let exchange else { continue }
            let failure: HTTPFailure = exchange.call != nil && !exchange.wasSent ? .unprocessed : .connectionLost
            exchange.call?.failed(failure)
            exchange.close(failure)
        }
        exchanges.removeAll()
        freeSlots.removeAll()
        buffers.settle(0)
        session = nil
        context = nil
    }

    // MARK: Events, from the session

    func requestBegan(on streamID: Int32) -> Exchange {
        let exchange = Exchange(id: streamID, connection: self, began: readTime)
        keep(exchange)
        return exchange
    }

    /// The time of the current read.
    var now: NIODeadline { readTime }

    func headBegan() {
        watch.headBegan(at: readTime)
    }

    func headEnded() {
        watch.headEnded()
    }

    func settingsAcknowledged() {
        watch.settingsAcknowledged()
    }

    /// - Parameters:
    ///   - fields: The section; if `isExcessive`, only the fields before the limit.
    func headReceived(on exchange: Exchange, fields: HeaderFields, isExcessive: Bool, endsStream: Bool) {
        switch role {
        case .server:
            exchange.fields = isExcessive ? nil : fields
            if isExcessive { acted(.headerFields) }
            exchange.isHead = fields[.method]?.elementsEqual(Self.head) ?? false
            requestBytes += exchange.headBytes
            guard requestBytes <= limits.requestBytesMax else {
                refuse(exchange, .requestBytes)
                return
            }
            ready.append(exchange)
            if endsStream { messageEnded(on: exchange) }
        case .client:
            guard !isExcessive else {
                fail(exchange, .tooLarge)
                return
            }
            if exchange.fields == nil {
                // An interim response (RFC 9110, 15.2).
                let isInterim = fields[.status]?.first == UInt8(ascii: "1")
                if isInterim, !endsStream {
                    exchange.interimAnswers += 1
                    if exchange.interimAnswers > limits.interimAnswersMax { fail(exchange, .malformed) }
                    return
                }
                exchange.fields = fields
                exchange.call?.headReceived()
            }
            if endsStream { messageEnded(on: exchange) }
        }
    }

    func dataReceived(_ bytes: ByteBuffer, on exchange: Exchange) {
        switch role {
        case .server:
            if let reader = exchange.inbound.received(bytes) {
                inboundRead(bytes.readableBytes, on: exchange)
                reader.resume(returning: .success(bytes))
            }
            if exchange.inbound.receivedBytes > exchange.bodyBytesMax, !exchange.hasResponded, let requestHandler {
                refuseBody(of: exchange, requestHandler)
            }
        case .client:
            session?.consume(bytes.readableBytes, on: exchange)
            if let call = exchange.call, !call.received(bytes) { fail(exchange, .tooLarge) }
        }
    }

    func messageEnded(on exchange: Exchange) {
        switch role {
        case .server:
            exchange.isInboundOver = true
            exchange.inbound.ended()?.resume(returning: .success(nil))
        case .client:
            exchange.call?.ended(fields: exchange.fields ?? HeaderFields())
            exchange.call = nil
        }
    }

    func streamClosed(_ exchange: Exchange, code: HTTP2ErrorCode) {
        let failure: HTTPFailure =
            switch code {
            case .refusedStream: .unprocessed
            case _ where exchange.call != nil && !exchange.wasSent: .unprocessed
            // A stream that closes without an error before its message has ended was cut short.
            case .noError: .malformed
            case let code: .resetByPeer(code)
            }
        // After a refused stream, further requests go to a new connection.
        if code == .refusedStream, !role.isServer { drain() }
        exchange.call?.failed(failure)
        exchange.call = nil
        exchange.close(failure)
        exchanges[exchange.slot] = nil
        freeSlots.append(exchange.slot)
        requestBytes -= exchange.headBytes
        watch.exchangeEnded(at: isReading ? readTime : .now())
        if watch.hasCarriedEnough { setNeedsLook() }
    }

    /// The response was completed before the request. The rest of the request is discarded for up to `Limits.lingerMax`:
    /// the peer is not interrupted while it sends, and its protocol errors are still detected.
    func answerEnded(on exchange: Exchange) {
        exchange.answeredAt = isReading ? readTime : .now()
        let unread = exchange.inbound.uncreditedBytes
        if unread > 0 { session?.consumeOnConnection(exchange.inbound.credit(unread)) }
    }

    /// Refuses a request before processing, so that the client may retry it on another connection (RFC 9113, 8.7).
    private func refuse(_ exchange: Exchange, _ defence: Defence) {
        acted(defence)
        session?.reset(exchange, .refusedStream)
        setNeedsFlush()
    }

    func acted(_ defence: Defence) {
        load?.acted(defence, against: peer.address)
    }

    func pingAnswered(_ ping: Session.Ping) {
        switch ping {
        case .drain: perform(state.noticeAnswered())
        case .keepalive:
            watch.pingAnswered()
            pingAnswer?()
            pingAnswer = nil
        }
    }

    func goAwayReceived(_ code: HTTP2ErrorCode) {
        if case .client(let events, _) = role, code == .enhanceYourCalm { events.wasAskedForCalm() }
        retire()
    }

    private func keep(_ exchange: Exchange) {
        watch.exchangeBegan()
        if let slot = freeSlots.popLast() {
            exchange.slot = slot
            exchanges[slot] = exchange
        } else {
            exchange.slot = exchanges.count
            exchanges.append(exchange)
        }
    }

    // MARK: Responses

    private static let head = Array("HEAD".utf8)

    private func dispatchReady() {
        guard !ready.isEmpty, let requestHandler else { return }
        // Swapped out, since a synchronous response may close a stream and change `ready`.
        var batch: [Exchange] = []
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

    func respond(_ response: HTTPResponse, on exchange: Exchange) {
        guard !exchange.hasResponded else { return }
        exchange.hasResponded = true
        // The response to HEAD has the fields of GET, including content-length, and no body (RFC 9110, 9.3.2).
        let hasBody = !exchange.isHead && exchange.outbound.fill(with: response.body)
        session?.submitResponse(response.fields, hasBody: hasBody, on: exchange)
        setNeedsFlush()
    }

    func carriesStreams(to exchange: Exchange) -> Bool { true }

    func beginStream(_ head: HTTPResponse, on exchange: Exchange) {
        exchange.hasResponded = true
        session?.submitResponse(head.fields, hasBody: true, on: exchange)
        setNeedsFlush()
    }

    func abandon(_ exchange: Exchange, by abandonment: Abandonment) {
        guard !exchange.hasResponded else { return }
        switch abandonment {
        case .reset:
            session?.reset(exchange, .internalError)
            setNeedsFlush()
        case .goAway:
            session?.terminate(.noError)
            closeAfterFlush()
        case .disconnect:
            // Scheduled, since the channel must not be closed from inside a read.
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            eventLoop.execute { bound.value.close() }
        }
    }

    func outboundChanged(on exchange: Exchange) {
        if exchange.outbound.takeDeferral() { session?.resume(exchange) }
        setNeedsFlush()
    }

    /// Whether more of a body may be sent now. A streamed body that has used up the time slice continues in the next one;
    /// other bodies are not limited.
    func mayContinue(_ exchange: Exchange) -> Bool {
        guard exchange.isBulk, !scheduler.mayContinue() else { return true }
        exchange.outbound.postpone()
        if !exchange.isEnqueued {
            exchange.isEnqueued = true
            scheduler.enqueue {
                exchange.isEnqueued = false
                exchange.connection?.outboundChanged(on: exchange)
            }
        }
        return false
    }

    func inboundRead(_ count: Int, on exchange: Exchange) {
        session?.consume(exchange.inbound.credit(count), on: exchange)
        setNeedsFlush()
    }

    func inboundAwaited(on exchange: Exchange) {
        guard exchange.takeContinue() else { return }
        session?.submitContinue(on: exchange)
        setNeedsFlush()
    }

    // MARK: Requests

    var acceptsRequests: Bool { session != nil && state.acceptsStreams && !isRetired }

    var lastReceived: NIODeadline { readTime }

    var hasExchanges: Bool { exchanges.count > freeSlots.count }

    package func send(_ call: ClientCall) {
        guard case .client(_, let firstByte) = role, acceptsRequests, let session else {
            call.failed(.unprocessed)
            return
        }
        let exchange = Exchange(id: -1, connection: self, began: .now())
        let hasBody = exchange.outbound.fill(with: call.request.body)
        guard session.submitRequest(call.request.fields, hasBody: hasBody, on: exchange) else {
            retire()
            call.failed(.unprocessed)
            return
        }
        exchange.call = call
        keep(exchange)
        call.began(firstByteWithin: firstByte) { [weak self] failure in self?.fail(exchange, failure) }
        setNeedsFlush()
        rearm(.now())
    }

    func ping(_ answered: @escaping () -> Void) {
        pingAnswer = answered
        session?.submitPing(.keepalive)
        setNeedsFlush()
    }

    /// Fails a client's exchange and resets its stream.
    private func fail(_ exchange: Exchange, _ failure: HTTPFailure) {
        guard exchange.connection != nil else { return }
        exchange.call?.failed(failure)
        exchange.call = nil
        switch failure {
        // Above the rate of `Limits.cancels` the stream stays open and its response is discarded.
        case .cancelled, .timedOut:
            guard cancels.take(at: .now()) else { return }
        case .notConnected, .connectionLost, .resetByPeer, .unprocessed, .tooLarge, .malformed: break
        }
        session?.reset(exchange, .cancel)
        setNeedsFlush()
    }

    private func retire() {
        guard case .client(let events, _) = role, !isRetired else { return }
        isRetired = true
        events.retired(self)
    }

    // MARK: Ending

    /// Starts a graceful shutdown: accepts no new streams and closes when the last one has ended.
    package func drain() {
        retire()
        // Abandoned streams must not delay the drain.
        if !role.isServer {
            for case let exchange? in exchanges where exchange.call == nil { session?.reset(exchange, .cancel) }
        }
        perform(state.drain())
    }

    /// Cancels the task of every stream. Streamed bodies end as broken.
    package func cancelExchanges() {
        for exchange in exchanges { exchange?.task?.cancel() }
    }

    package func endIfIdle() {
        if !hasExchanges { drain() }
    }

    package func close() {
        context?.close(promise: nil)
    }

    // MARK: Time

    /// Checks all timeouts of the connection and its streams.
    private func look() {
        guard !state.isClosed else { return }
        let now = NIODeadline.now()
        var isPeerBehind = context?.channel.isWritable == false
        for exchange in exchanges {
            guard let exchange else { continue }
            if exchange.outbound.readyBytes > 0 { isPeerBehind = true }
            lookAfter(exchange, at: now)
        }
        switch watch.check(at: now, isPeerBehind: isPeerBehind) {
        case .none: break
        case .ping:
            session?.submitPing(.keepalive)
            setNeedsFlush()
        case .drain: drain()
        case .cutOff(let reason): cutOff(reason)
        }
        buffers.settle(bufferedBytes)
        releaseRead()
        rearm(now)
    }

    private func cutOff(_ reason: ConnectionWatch.Reason) {
        switch reason {
        case .settings:
            acted(.settingsTimeout)
            session?.terminate(.settingsTimeout)
            closeAfterFlush()
        case .headers:
            acted(.headersTimeout)
            session?.terminate(.protocolError)
            closeAfterFlush()
        case .keepalive:
            acted(.keepaliveTimeout)
            close()
        case .idle, .age: close()
        }
    }

    private func lookAfter(_ exchange: Exchange, at now: NIODeadline) {
        guard exchange.connection != nil else { return }
        if exchange.isWriteStalled(at: now, timeouts: timeouts, limits: limits) {
            acted(.slowReader)
            if context?.channel.isWritable == false {
                // The whole connection is stalled, so RST_STREAM could not be sent either.
                close()
            } else {
                exchange.task?.cancel()
                session?.reset(exchange, .cancel)
                setNeedsFlush()
            }
        } else if let requestHandler, exchange.isOverdue(at: now, timeouts: timeouts) {
            exchange.task?.cancel()
            refuse(.answerTimedOut, exchange, requestHandler)
        } else if role.isServer, exchange.isReadStalled(at: now, timeouts: timeouts, limits: limits) {
            acted(.slowBody)
            exchange.inbound.failed(.timedOut)?.resume(returning: .failure(.timedOut))
        } else if let answeredAt = exchange.answeredAt, answeredAt + limits.lingerMax <= now {
            // Stops the rest of the request after a complete response (RFC 9113, 8.1).
            session?.reset(exchange, .noError)
            setNeedsFlush()
        }
    }

    private func rearm(_ now: NIODeadline) {
        guard !state.isClosed else { return }
        watchTimer.arm(watch.nextCheck(after: now), self) { $0.look() }
    }

    /// Checks the timeouts after the loop's current task, outside nghttp2.
    private func setNeedsLook() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.look() }
    }

    private func perform(_ action: HTTP2ConnectionState.Action) {
        switch action {
        case .none: break
        case .sendNotice:
            session?.submitShutdownNotice()
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            drainTimer = eventLoop.scheduleTask(in: limits.drainNoticeMax) { bound.value.pingAnswered(.drain) }
            setNeedsFlush()
        case .sendGoAway:
            drainTimer?.cancel()
            session?.submitGoAway()
            setNeedsFlush()
        case .close:
            closeAfterFlush()
        }
    }
}
