package import NIOCore

/// One HTTP/2 connection, server or client, as the last handler of its channel.
///
/// Reads are fed to the session; whatever they made ready is acted on when the session has returned; everything to be
/// sent leaves in as few writes as there are read events. When the socket is behind, nothing more is serialised and
/// nothing more is read, so that a peer that does not read holds a bounded amount of memory.
package final class HTTP2Handler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package enum Role {
        case server(any RequestHandler)
        /// The closure hears, once, that the connection takes no more requests.
        case client(onRetired: @Sendable () -> Void)
    }

    private let role: Role

    /// The handler of a server, beside `role` so that a request need not take that apart.
    private let requestHandler: (any RequestHandler)?
    private let limits: Limits
    private let executor: EventLoopExecutor
    private let eventLoop: any EventLoop

    private var session: Session?
    private var context: ChannelHandlerContext?
    private var state: HTTP2ConnectionState
    private var drainTimer: Scheduled<Void>?

    /// The streams that are open, each at `Exchange.slot`.
    private var exchanges: [Exchange?] = []
    private var freeSlots: [Int] = []

    /// Requests received whole enough to be answered, in order, until the session has returned.
    private var ready: [Exchange] = []

    private var isReading = false
    private var isFlushScheduled = false
    private var isReadHeld = false
    private var isRetired = false

    package init(role: Role, limits: Limits, executor: EventLoopExecutor) {
        self.role = role
        self.limits = limits
        self.executor = executor
        eventLoop = executor.eventLoop
        switch role {
        case .server(let handler):
            requestHandler = handler
            state = HTTP2ConnectionState(drainsInTwoSteps: true)
        case .client:
            requestHandler = nil
            state = HTTP2ConnectionState(drainsInTwoSteps: false)
        }
    }

    // MARK: The channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let sessionRole: Session.Role =
            switch role {
            case .server: .server
            case .client: .client
            }
        session = Session(role: sessionRole, limits: limits, handler: self)
        if context.channel.isActive { flush() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        teardown()
    }

    package func channelActive(context: ChannelHandlerContext) {
        flush()
        context.fireChannelActive()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        teardown()
        context.fireChannelInactive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !state.isClosed, let session else { return }
        isReading = true
        let received = session.receive(unwrapInboundIn(data))
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
        context.fireChannelReadComplete()
    }

    package func read(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            flush()
            if isReadHeld {
                isReadHeld = false
                context.read()
            }
        }
        context.fireChannelWritabilityChanged()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Sending

    /// Sends what the session has, as far as the socket takes it.
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
        if session.isOver { closeAfterFlush() }
    }

    /// Sees to it that what was just submitted leaves: with the end of the read under way, or as soon as the loop has
    /// done what it is at, so that answers that become ready together leave together.
    private func setNeedsFlush() {
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            bound.value.isFlushScheduled = false
            bound.value.flush()
        }
    }

    /// Sends what is left and ends our half; the channel closes with the peer's half, or soon without it. Closing over
    /// input that was not read would make the kernel send RST, and the peer would lose the last answers.
    private func closeAfterFlush() {
        guard let context, let session, state.sessionEnded() == .close else { return }
        let last = session.drain(bytesMax: limits.connectionWriteBytesMax / 4, allocator: context.channel.allocator)
        let bound = NIOLoopBound(context, eventLoop: eventLoop)
        context.writeAndFlush(wrapOutboundOut(last ?? ByteBuffer())).whenComplete { _ in
            bound.value.close(mode: .output, promise: nil)
        }
        drainTimer?.cancel()
        drainTimer = eventLoop.scheduleTask(in: limits.lingerMax) { bound.value.close(promise: nil) }
    }

    /// The connection is gone: every exchange on it fails.
    private func teardown() {
        state.channelInactive()
        retire()
        drainTimer?.cancel()
        drainTimer = nil
        ready.removeAll()
        for exchange in exchanges {
            guard let exchange else { continue }
            let failure: HTTPFailure = exchange.call != nil && !exchange.wasSent ? .unprocessed : .connectionLost
            exchange.call?.failed(failure)
            exchange.close(failure)
        }
        exchanges.removeAll()
        freeSlots.removeAll()
        session = nil
        context = nil
    }

    // MARK: Events, from the session

    func requestBegan(on streamID: Int32) -> Exchange {
        let exchange = Exchange(id: streamID, connection: self)
        keep(exchange)
        return exchange
    }

    /// A section larger than the limits allow is not whole: `fields` has what came before the limit.
    func headReceived(on exchange: Exchange, fields: HeaderFields, isExcessive: Bool, endsStream: Bool) {
        switch role {
        case .server:
            exchange.fields = isExcessive ? nil : fields
            exchange.isHead = fields[.method]?.elementsEqual(Self.head) ?? false
            ready.append(exchange)
            if endsStream { messageEnded(on: exchange) }
        case .client:
            guard !isExcessive else {
                fail(exchange, .tooLarge)
                return
            }
            if exchange.fields == nil {
                // An interim answer (RFC 9110, 15.2): the final one is still to come.
                let isInterim = fields[.status]?.first == UInt8(ascii: "1")
                if isInterim, !endsStream { return }
                exchange.fields = fields
            }
            if endsStream { messageEnded(on: exchange) }
        }
    }

    func dataReceived(_ bytes: ByteBuffer, on exchange: Exchange) {
        switch role {
        case .server:
            if let reader = exchange.inbound.received(bytes) {
                credit(exchange, bytes.readableBytes)
                reader.resume(returning: .success(bytes))
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
        exchange.call?.failed(failure)
        exchange.call = nil
        exchange.close(failure)
        exchanges[exchange.slot] = nil
        freeSlots.append(exchange.slot)
    }

    func pingAnswered() {
        perform(state.noticeAnswered())
    }

    func goAwayReceived() {
        retire()
    }

    private func keep(_ exchange: Exchange) {
        if let slot = freeSlots.popLast() {
            exchange.slot = slot
            exchanges[slot] = exchange
        } else {
            exchange.slot = exchanges.count
            exchanges.append(exchange)
        }
    }

    // MARK: Answering

    private static let head = Array("HEAD".utf8)

    private func dispatchReady() {
        guard !ready.isEmpty, let requestHandler else { return }
        // Swapped out, since an answer made at once may end a stream and so reach back into the session.
        var batch: [Exchange] = []
        swap(&batch, &ready)
        for exchange in batch where exchange.connection != nil {
            dispatch(exchange, to: requestHandler)
        }
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &ready)
    }

    private func dispatch(_ exchange: Exchange, to handler: any RequestHandler) {
        guard let fields = exchange.fields else {
            respond(handler.replyToExcessiveHead(), on: exchange)
            return
        }
        let bound = NIOLoopBound(exchange, eventLoop: eventLoop)
        guard let request = HTTPRequest(fields: fields, body: BodyReader(bound)) else {
            session?.reset(exchange, .protocolError)
            return
        }
        switch handler.reply(to: request) {
        case .now(let response):
            respond(response, on: exchange)
        case .eventually(let makeResponse):
            exchange.task = Task.immediate(executorPreference: executor) {
                let response = await makeResponse()
                bound.eventLoop.runInLoop {
                    bound.value.connection?.respond(response, on: bound.value)
                }
            }
        case .stream(let head, _) where exchange.isHead:
            respond(head, on: exchange)
        case .stream(let head, let writeBody):
            session?.submitResponse(head.fields, hasBody: true, on: exchange)
            setNeedsFlush()
            exchange.task = Task.immediate(executorPreference: executor) {
                let ending = await writeBody(BodyWriter(bound))
                bound.eventLoop.runInLoop {
                    bound.value.connection?.end(bound.value, ending)
                }
            }
        }
    }

    private func respond(_ response: HTTPResponse, on exchange: Exchange) {
        // The answer to HEAD has the fields of that to GET, its length included, and no body (RFC 9110, 9.3.2).
        let hasBody = !exchange.isHead && exchange.outbound.fill(with: response.body)
        session?.submitResponse(response.fields, hasBody: hasBody, on: exchange)
        setNeedsFlush()
    }

    /// Adds to a streamed body, unless so much of it waits for the peer that its producer has to as well.
    func append(_ bytes: ByteBuffer, to exchange: Exchange) -> Bool {
        guard exchange.outbound.readyBytes < limits.streamWriteBytesMax else { return false }
        exchange.outbound.append(bytes)
        wake(exchange)
        return true
    }

    /// Likewise; the producer goes on when there is room.
    func append(_ bytes: ByteBuffer, to exchange: Exchange, then producer: CheckedContinuation<Bool, Never>) {
        if append(bytes, to: exchange) {
            producer.resume(returning: true)
        } else {
            exchange.outbound.hold(OutboundBody.Waiter(producer), with: bytes)
        }
    }

    private func end(_ exchange: Exchange, _ ending: StreamEnding) {
        switch ending {
        case .complete: exchange.outbound.end(.complete)
        case .broken: exchange.outbound.end(.broken)
        }
        wake(exchange)
    }

    private func wake(_ exchange: Exchange) {
        if exchange.outbound.takeDeferral() { session?.resume(exchange) }
        setNeedsFlush()
    }

    /// The reader has taken bytes of the peer's body.
    func credit(_ exchange: Exchange, _ count: Int) {
        session?.consume(exchange.inbound.credit(count), on: exchange)
        setNeedsFlush()
    }

    // MARK: Asking

    /// Sends a request; `call` is told how it ended.
    func send(_ request: ClientRequest, call: ClientCall, timeout: TimeAmount) -> Exchange? {
        guard let session, state.acceptsStreams, !isRetired else {
            call.failed(.unprocessed)
            return nil
        }
        let exchange = Exchange(id: -1, connection: self)
        let hasBody = exchange.outbound.fill(with: request.body)
        guard session.submitRequest(request.fields, hasBody: hasBody, on: exchange) else {
            call.failed(.unprocessed)
            retire()
            return nil
        }
        exchange.call = call
        keep(exchange)
        let bound = NIOLoopBound(exchange, eventLoop: eventLoop)
        call.expires(
            by: eventLoop.scheduleTask(in: timeout) {
                bound.value.connection?.fail(bound.value, .timedOut)
            })
        setNeedsFlush()
        return exchange
    }

    /// Gives up on an exchange of ours: the peer is told, and whoever waits hears `failure`.
    func fail(_ exchange: Exchange, _ failure: HTTPFailure) {
        exchange.call?.failed(failure)
        exchange.call = nil
        session?.reset(exchange, .cancel)
        setNeedsFlush()
    }

    private func retire() {
        guard case .client(let onRetired) = role, !isRetired else { return }
        isRetired = true
        onRetired()
    }

    // MARK: Ending

    /// Takes no new streams from now on, and closes when the last one has ended.
    package func drain() {
        perform(state.drain())
    }

    /// Cancels the work of every stream: those that make a body end it as broken.
    package func cancelExchanges() {
        for exchange in exchanges { exchange?.task?.cancel() }
    }

    package func close() {
        context?.close(promise: nil)
    }

    private func perform(_ action: HTTP2ConnectionState.Action) {
        switch action {
        case .none: break
        case .sendNotice:
            session?.submitShutdownNotice()
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            drainTimer = eventLoop.scheduleTask(in: limits.drainNoticeMax) { bound.value.pingAnswered() }
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
