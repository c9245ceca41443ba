package import NIOCore

/// An HTTP/2 connection as the last handler of its channel: the part that servers and clients share.
///
/// Received bytes go to the session, and the output of a read is sent in one flush. While the socket is not writable,
/// nothing is serialised or read, so that a peer that does not read occupies a bounded amount of memory.
///
/// `HTTP2ServerHandler` and `HTTP2ClientHandler` override the methods under "Role" and nothing else.
package class HTTP2Handler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    final let limits: Limits
    final let timeouts: Timeouts
    final let scheduler: StreamScheduler
    final let peer: PeerInfo
    package final let eventLoop: any EventLoop

    private let sessionRole: Session.Role
    final private(set) var session: Session?
    final private(set) var context: ChannelHandlerContext?
    final private(set) var state: HTTP2ConnectionState
    private var drainTimer: Scheduled<Void>?
    @exclusivity(unchecked) private var watch: ConnectionWatch
    private let watchTimer: ConnectionTimer

    /// The open streams, each at the index `Exchange.slot`.
    @exclusivity(unchecked) final private(set) var exchanges: [Exchange?] = []
    @exclusivity(unchecked) private var freeSlots: [Int] = []

    private var discardedBytes = 0

    /// Whether the channel processes a read. A server's handler is added during one, so that its SETTINGS and its first
    /// answers are sent together at the end of that read.
    @exclusivity(unchecked) private var isReading: Bool
    @exclusivity(unchecked) private var isFlushScheduled = false

    /// Whether output was written to the channel but not flushed.
    @exclusivity(unchecked) private var isUnflushed = false

    /// Whether the last drain resumed the producer of a body, which runs before a flush that is scheduled now.
    @exclusivity(unchecked) private var isProducerResumed = false
    private var isReadHeld = false

    /// The start of the current or last read.
    @exclusivity(unchecked) final private(set) var readTime = NIODeadline.now()

    init(role: Session.Role, limits: Limits, timeouts: Timeouts, eventLoop: any EventLoop, peer: PeerInfo) {
        sessionRole = role
        isReading = role == .server
        self.limits = limits
        self.timeouts = timeouts
        scheduler = StreamScheduler.of(eventLoop)
        self.peer = peer
        self.eventLoop = eventLoop
        watch = ConnectionWatch(timeouts: timeouts, limits: limits, isHTTP2: true, now: readTime)
        watchTimer = ConnectionTimer(eventLoop)
        state = HTTP2ConnectionState(drainsInTwoSteps: role == .server)
    }

    // MARK: Role

    /// Called for the HEADERS of a new stream, on a server only.
    func requestBegan(on streamID: Int32) -> Exchange {
        preconditionFailure("only the peer of a server opens streams")
    }

    /// Called for a complete request without a body, on a server only. Returns whether it was answered. Otherwise
    /// `headReceived` is called.
    ///
    /// - Parameters:
    ///   - bytes: Contain the values of `fields`. Valid during the call.
    ///   - sectionBytes: The size of the section (RFC 9113, 6.5.2).
    func answersAtOnce(
        _ exchange: Exchange, _ fields: PlainFields, in bytes: UnsafeRawBufferPointer, sectionBytes: Int
    ) -> Bool { false }

    /// Called for the field section of a message. Trailers are not reported.
    ///
    /// - Parameters:
    ///   - fields: The section; if `isExcessive`, only the fields before the limit.
    ///   - bytes: The size of the section (RFC 9113, 6.5.2).
    func headReceived(on exchange: Exchange, fields: HeaderFields, bytes: Int, isExcessive: Bool, endsStream: Bool) {}

    func dataReceived(_ bytes: ByteBuffer, on exchange: Exchange) {}

    /// Called at the end of the peer's message.
    func messageEnded(on exchange: Exchange) {}

    /// Called after the HEADERS frame of a request was sent, on a client only.
    func headersSent(on exchange: Exchange) {}

    /// Called when a response was completed before its request, on a server only.
    func responseEnded(on exchange: Exchange) {}

    /// Called when a stream is closed. Overrides call `super`.
    func streamClosed(_ exchange: Exchange, code: HTTP2ErrorCode) {
        remove(exchange)
    }

    func goAwayReceived(_ code: HTTP2ErrorCode) {}

    func keepaliveAnswered() {}

    /// Called after the session has processed a read.
    func readProcessed() {}

    /// Called after output was written to the channel.
    func outputWritten() {}

    /// Called when the session has ended and our side is about to be closed.
    func sessionEnded() {}

    /// Called for each exchange when the connection is lost.
    func connectionLost(on exchange: Exchange) {}

    /// Whether more of a body may be sent now.
    func mayContinue(_ exchange: Exchange) -> Bool { true }

    /// Checks the timeouts of an exchange.
    func checkTimeouts(of exchange: Exchange, at now: NIODeadline) {}

    /// Records the action of a defence.
    func triggered(_ defence: Defence) {}

    /// Called when the connection is lost. Overrides call `super`.
    func teardown() {
        state.channelInactive()
        drainTimer?.cancel()
        drainTimer = nil
        watchTimer.cancel()
        for exchange in exchanges {
            if let exchange { connectionLost(on: exchange) }
        }
        exchanges.removeAll()
        freeSlots.removeAll()
        session = nil
        context = nil
    }

    /// Starts a graceful shutdown: accepts no new streams and closes when the last one has ended. Overrides call `super`.
    package func drain() {
        perform(state.drain())
    }

    // MARK: The channel

    package final func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        session = Session(role: sessionRole, limits: limits, handler: self)
        if context.channel.isActive { start() }
    }

    package final func handlerRemoved(context: ChannelHandlerContext) {
        teardown()
    }

    package final func channelActive(context: ChannelHandlerContext) {
        start()
        context.fireChannelActive()
    }

    private func start() {
        if !isReading { flush() }
        rearm(.now())
    }

    package final func channelInactive(context: ChannelHandlerContext) {
        teardown()
        context.fireChannelInactive()
    }

    package final func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !state.isClosed, let session else {
            discardedBytes += bytes.readableBytes
            if discardedBytes > limits.lingerBytesMax { context.close(promise: nil) }
            return
        }
        isReading = true
        readTime = .now()
        watch.received(at: readTime)
        switch session.receive(bytes) {
        case .taken: readProcessed()
        case .failed: closeAfterFlush()
        }
    }

    package final func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
        rearm(readTime)
        context.fireChannelReadComplete()
    }

    package final func read(context: ChannelHandlerContext) {
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

    package final func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            flush()
            releaseRead()
        }
        context.fireChannelWritabilityChanged()
    }

    package final func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    final var isWritable: Bool { context?.channel.isWritable != false }

    package final func close() {
        context?.close(promise: nil)
    }

    // MARK: Sending

    /// Writes the session's output while the socket is writable.
    ///
    /// If a producer runs next, its bytes join this flush: the larger a write, the less a byte costs. The time slice and
    /// the channel's high-water mark limit that.
    private func flush() {
        guard let context, let session, !state.isClosed else { return }
        let channel = context.channel
        var drained = Session.Drained.part
        while drained == .part, channel.isWritable {
            drained = session.drain(bytesMax: limits.connectionWriteBytesMax / 4) { bytes in
                context.write(wrapOutboundOut(bytes), promise: nil)
            }
            if drained != .nothing { isUnflushed = true }
        }
        if isUnflushed {
            if isProducerResumed, channel.isWritable, !isReading {
                setNeedsFlush()
            } else {
                isUnflushed = false
                context.flush()
            }
            isProducerResumed = false
        }
        outputWritten()
        if session.isBreached {
            session.terminateForBreach()
            closeAfterFlush()
        } else if session.isOver {
            closeAfterFlush()
        }
    }

    /// Called while the session is drained, when a producer of a body was resumed.
    final func producerResumed() {
        isProducerResumed = true
    }

    /// Schedules a flush: at the end of the current read, otherwise after the loop's current task, so that responses that
    /// become ready together are sent together.
    final func setNeedsFlush() {
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
    final func closeAfterFlush() {
        guard let context, let session, state.sessionEnded() == .close else { return }
        sessionEnded()
        _ = session.drain(bytesMax: limits.connectionWriteBytesMax / 4) { bytes in
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
        let bound = NIOLoopBound(context, eventLoop: eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in
            bound.value.close(mode: .output, promise: nil)
        }
        drainTimer?.cancel()
        drainTimer = eventLoop.scheduleTask(in: limits.lingerMax) { bound.value.close(promise: nil) }
    }

    // MARK: Events, from the session

    /// The time of the current read, or the current time outside a read.
    final var eventTime: NIODeadline { isReading ? readTime : .now() }

    final func headBegan() {
        watch.headBegan(at: readTime)
    }

    final func headEnded() {
        watch.headEnded()
    }

    final func settingsAcknowledged() {
        watch.settingsAcknowledged()
    }

    final func pingAnswered(_ ping: Session.Ping) {
        switch ping {
        case .drain: perform(state.noticeAnswered())
        case .keepalive:
            watch.pingAnswered()
            keepaliveAnswered()
        }
    }

    // MARK: Streams

    final var hasExchanges: Bool { exchanges.count > freeSlots.count }

    final func add(_ exchange: Exchange) {
        watch.exchangeBegan()
        if let slot = freeSlots.popLast() {
            exchange.slot = slot
            exchanges[slot] = exchange
        } else {
            exchange.slot = exchanges.count
            exchanges.append(exchange)
        }
    }

    private func remove(_ exchange: Exchange) {
        exchanges[exchange.slot] = nil
        freeSlots.append(exchange.slot)
        watch.exchangeEnded(at: eventTime)
        if watch.hasReachedRequestsMax { setNeedsTimeoutCheck() }
    }

    final func reset(_ exchange: Exchange, _ code: HTTP2ErrorCode) {
        session?.reset(exchange, code)
        setNeedsFlush()
    }

    // MARK: Time

    /// Checks all timeouts of the connection and its streams.
    private func checkTimeouts() {
        guard !state.isClosed else { return }
        let now = NIODeadline.now()
        var isPeerBehind = !isWritable
        for exchange in exchanges {
            guard let exchange else { continue }
            if exchange.outbound.readyBytes > 0 { isPeerBehind = true }
            checkTimeouts(of: exchange, at: now)
        }
        switch watch.check(at: now, isPeerBehind: isPeerBehind) {
        case .none: break
        case .ping:
            session?.submitPing(.keepalive)
            setNeedsFlush()
        case .drain: drain()
        case .cutOff(let reason): cutOff(reason)
        }
        outputWritten()
        releaseRead()
        rearm(now)
    }

    private func cutOff(_ reason: ConnectionWatch.Reason) {
        switch reason {
        case .settings:
            triggered(.settingsTimeout)
            session?.terminate(.settingsTimeout)
            closeAfterFlush()
        case .headers:
            triggered(.headersTimeout)
            session?.terminate(.protocolError)
            closeAfterFlush()
        case .keepalive:
            triggered(.keepaliveTimeout)
            close()
        case .idle, .age: close()
        }
    }

    final func rearm(_ now: NIODeadline) {
        guard !state.isClosed else { return }
        watchTimer.arm(watch.nextCheck(after: now), self) { $0.checkTimeouts() }
    }

    /// Checks the timeouts after the loop's current task, outside nghttp2.
    private func setNeedsTimeoutCheck() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.checkTimeouts() }
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

extension HTTP2ErrorCode {
    /// The failure of an exchange whose stream was closed with this code before its message had ended.
    var streamFailure: HTTPFailure {
        switch self {
        case .refusedStream: .unprocessed
        // The peer ended the stream without an error before its message was complete.
        case .noError: .malformed
        default: .resetByPeer(self)
        }
    }
}
