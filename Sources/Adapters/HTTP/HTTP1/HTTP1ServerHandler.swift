package import NIOCore
package import NIOHTTP1

/// An HTTP/1.1 server connection on top of NIO's parser. Processes one request at a time, in order (RFC 9112, 9.3.2).
///
/// Pipelined requests wait in `RequestFramer`, and reading pauses meanwhile. So a peer can queue no more requests than one
/// read returns.
package final class HTTP1ServerHandler: ChannelDuplexHandler, Connection {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// The current request.
    private struct Current {
        let exchange: ServerExchange
        let isHTTP10: Bool
        var keepsAlive: Bool
        let contentLength: Int?
        var discardedBytes = 0

        /// Whether the body of the response is sent in chunks (RFC 9112, 7.1).
        var isChunked = false
    }

    private let requestHandler: any RequestHandler
    private let fastPath: (any FastPath)?
    @exclusivity(unchecked) private var connectionMemory: ConnectionMemory?
    let load: ServerLoad
    let work = RunningWork()
    let limits: Limits
    let executor: EventLoopExecutor
    let scheduler: StreamScheduler
    let peer: PeerInfo
    package let eventLoop: any EventLoop
    private let timeouts: Timeouts

    @exclusivity(unchecked) private var context: ChannelHandlerContext?
    @exclusivity(unchecked) private var current: Current?
    private let framer: RequestFramer
    @exclusivity(unchecked) private var watch: ConnectionWatch
    private let watchTimer: ConnectionTimer
    private var lingerTimer: Scheduled<Void>?
    @exclusivity(unchecked) private var readTime = NIODeadline.now()
    @exclusivity(unchecked) private var dateField = DateField()

    @exclusivity(unchecked) private var buffers: BufferAccount

    /// Output that was not written to the channel yet; `nil` if there is none.
    @exclusivity(unchecked) private var output: ByteBuffer?

    /// The last output that was written to the channel and not flushed.
    @exclusivity(unchecked) private var written: ByteBuffer?
    private let outputBuffer: OutputBuffer

    private var isReadHeld = false
    @exclusivity(unchecked) private var isReading = false
    @exclusivity(unchecked) private var isFlushNeeded = false
    private var isFlushScheduled = false
    private var isPumpEnqueued = false

    private enum Phase {
        case open
        /// The next response, or the next request, is the last.
        case draining
        /// No more input is accepted; pending output is flushed, then our side is closed.
        case ended
    }

    @exclusivity(unchecked) private var phase = Phase.open

    init(
        requestHandler: any RequestHandler, load: ServerLoad, limits: Limits, timeouts: Timeouts,
        executor: EventLoopExecutor, peer: PeerInfo, framer: RequestFramer
    ) {
        self.framer = framer
        self.requestHandler = requestHandler
        fastPath = requestHandler.fastPath
        self.load = load
        buffers = BufferAccount(load: load)
        self.limits = limits
        self.timeouts = timeouts
        self.executor = executor
        scheduler = StreamScheduler.of(executor.eventLoop)
        outputBuffer = OutputBuffer.of(executor.eventLoop)
        self.peer = peer
        eventLoop = executor.eventLoop
        watch = ConnectionWatch(timeouts: timeouts, limits: limits, isHTTP2: false, now: readTime)
        watchTimer = ConnectionTimer(eventLoop)
    }

    /// Adds the request framer, the parser and a new handler to a channel.
    package static func add(
        requestHandler: any RequestHandler, load: ServerLoad, limits: Limits, timeouts: Timeouts,
        executor: EventLoopExecutor, peer: PeerInfo, to channel: any Channel
    ) throws -> HTTP1ServerHandler {
        let framer = RequestFramer()
        let handler = HTTP1ServerHandler(
            requestHandler: requestHandler, load: load, limits: limits, timeouts: timeouts, executor: executor,
            peer: peer,
            framer: framer)
        framer.handler = handler
        try channel.pipeline.syncOperations.addHandlers([
            framer,
            ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: .init(limits))),
            handler,
        ])
        return handler
    }

    // MARK: The channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        rearm(readTime)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        teardown()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        teardown()
        context.fireChannelInactive()
    }

    /// Called by the request framer for received bytes, before they are parsed.
    func bytesArrived() {
        isReading = true
        readTime = .now()
        watch.received(at: readTime)
        if current == nil { watch.headBegan(at: readTime) }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .ended else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let bytes): received(bytes)
        case .end: ended()
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flushIfNeeded()
        buffers.report(bufferedBytes)
        rearm(readTime)
        context.fireChannelReadComplete()
    }

    package func read(context: ChannelHandlerContext) {
        if mayRead {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    /// Reading pauses while pipelined requests are buffered, while the body exceeds its buffer, and while the peer does
    /// not read.
    private var mayRead: Bool {
        guard framer.bufferedBytes == 0, context?.channel.isWritable == true else { return false }
        // Above the memory limit, connections with buffered data are not read.
        guard !load.isMemoryShort || bufferedBytes == 0 else { return false }
        return (current?.exchange.inbound.uncreditedBytes ?? 0) < limits.streamWriteBytesMax
    }

    private var bufferedBytes: Int {
        let waiting = context?.channel.isWritable == false ? limits.connectionWriteBytesMax : 0
        return waiting + framer.bufferedBytes + (current?.exchange.bufferedBytes ?? 0)
    }

    private func releaseRead() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            pump()
            releaseRead()
        }
        context.fireChannelWritabilityChanged()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError, phase != .ended else {
            context.close(promise: nil)
            return
        }
        switch error {
        case .headerOverflow where current == nil:
            load.triggered(.headerFields, against: peer.address)
            refuse(framer.isInRequestLine ? .excessiveTarget : .excessiveHead)
        case .invalidMethod where current == nil: refuse(.unknownMethod)
        default: requestBroken(.malformed)
        }
    }

    private func teardown() {
        guard context != nil else { return }
        watchTimer.cancel()
        lingerTimer?.cancel()
        framer.close()
        phase = .ended
        buffers.report(0)
        output = nil
        if let current {
            self.current = nil
            current.exchange.close(.connectionLost)
        }
        context = nil
    }

    // MARK: Prepared responses

    /// Sends the response to the plain request at the start of `bytes`, if the request is complete and the response prepared.
    /// Called between two requests. Returns the size of the request; 0 if it has to be parsed.
    func answerAtOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
        // A connection that ends says so in its last response, and one whose peer does not read sends nothing at once.
        guard let fastPath, phase == .open, !watch.isNextRequestLast, context?.channel.isWritable == true,
            let (fields, headBytes) = PlainHeadReader.read(bytes, limits: limits)
        else { return 0 }
        let now = isReading ? readTime : .now()
        guard
            let request = PlainRequest.make(
                fields, in: bytes, from: peer, arrived: now, targetBytesMax: limits.pathBytesMax),
            let response = fastPath.response(to: request, &connectionMemory)
        else { return 0 }
        watch.headEnded()
        watch.exchangeBegan()
        watch.exchangeEnded(at: now)
        if bytes.count > headBytes { watch.headBegan(at: now) }
        append { $0.writePrepared(response, date: dateField.value()) }
        setNeedsFlush()
        return headBytes
    }

    // MARK: Requests

    private func begin(_ head: HTTPRequestHead) {
        watch.headEnded()
        let request: HTTP1Fields
        do throws(Refusal) {
            request = try HTTP1Fields(head, isEncrypted: peer.isEncrypted, limits: limits)
        } catch {
            refuse(error)
            return
        }
        let exchange = ServerExchange(id: 0, connection: self, began: readTime)
        exchange.fields = request.fields
        exchange.isHead = head.method == .HEAD
        if request.contentLength == 0 {
            exchange.input = .complete
            _ = exchange.inbound.ended()
        }
        current = Current(
            exchange: exchange, isHTTP10: head.version.minor == 0, keepsAlive: request.keepsAlive,
            contentLength: request.contentLength)
        if let length = request.contentLength {
            framer.bodyFollows(length: length)
        } else {
            framer.bodyFollows(ChunkedCoding(extensionsBytesMax: limits.chunkExtensionBytesMax))
        }
        watch.exchangeBegan()
        if watch.hasReachedRequestsMax { phase = .draining }
        dispatch(exchange, to: requestHandler)
    }

    private func received(_ bytes: ByteBuffer) {
        guard var current else { return }
        if current.exchange.isResponseEnded {
            current.discardedBytes += bytes.readableBytes
            self.current = current
            if current.discardedBytes > limits.discardedBodyBytesMax { end() }
            return
        }
        if let reader = current.exchange.inbound.received(bytes) {
            inboundRead(bytes.readableBytes, on: current.exchange)
            reader.resume(returning: .success(bytes))
        }
        let exchange = current.exchange
        if exchange.inbound.receivedBytes > exchange.bodyBytesMax, !exchange.hasResponded {
            refuseBody(of: exchange, requestHandler)
        }
    }

    /// Handles bytes that are not a valid request.
    func requestBroken(_ breach: RequestFramer.Breach) {
        guard phase != .ended else { return }
        if breach == .extensions { load.triggered(.chunkExtensions, against: peer.address) }
        guard let current else {
            refuse(.malformed)
            return
        }
        self.current?.keepsAlive = false
        if current.exchange.isResponseEnded {
            end()
        } else if breach == .extensions, !current.exchange.hasResponded {
            current.exchange.task?.cancel()
            refuse(.malformed, current.exchange, requestHandler)
        } else {
            current.exchange.inbound.failed(.malformed)?.resume(returning: .failure(.malformed))
        }
    }

    private func ended() {
        // A request without a body was already marked as complete.
        guard let current, current.exchange.input != .complete else { return }
        current.exchange.input = .complete
        current.exchange.inbound.ended()?.resume(returning: .success(nil))
        if current.exchange.isResponseEnded { finish() }
    }

    /// Responds to an invalid request and then closes the connection.
    private func refuse(_ refusal: Refusal) {
        let exchange = ServerExchange(id: 0, connection: self, began: readTime)
        exchange.input = .complete
        watch.headEnded()
        watch.exchangeBegan()
        current = Current(exchange: exchange, isHTTP10: false, keepsAlive: false, contentLength: 0)
        refuse(refusal, exchange, requestHandler)
    }

    /// Ends the current request after its response, and starts the next.
    private func finish() {
        guard let current else { return }
        self.current = nil
        current.exchange.close(.connectionLost)
        let now = isReading ? readTime : .now()
        watch.exchangeEnded(at: now)
        guard current.keepsAlive else {
            end()
            return
        }
        framer.next()
        guard self.current == nil, phase != .ended else { return }
        if framer.isInHead || framer.bufferedBytes > 0 { watch.headBegan(at: now) }
        if phase == .draining { endUnlessRequested() }
        releaseRead()
    }

    // MARK: Responses

    func respond(_ response: HTTPResponse, on exchange: ServerExchange) {
        guard var current, current.exchange === exchange, !exchange.hasResponded else { return }
        writeHead(response.fields, &current, .whole(bytes: response.body.readableBytes))
        exchange.response = .ended(at: isReading ? readTime : .now())
        self.current = current
        if !exchange.isHead { write(response.body) }
        responseOver()
    }

    /// HTTP/1.0 has no chunked coding, so clients cannot distinguish complete from broken streams (RFC 9112, 6.3).
    func carriesStreams(to exchange: ServerExchange) -> Bool {
        guard let current, current.exchange === exchange else { return false }
        return !current.isHTTP10
    }

    func beginStream(_ head: HTTPResponse, on exchange: ServerExchange) {
        guard var current, current.exchange === exchange else { return }
        writeHead(head.fields, &current, .streamed)
        self.current = current
        setNeedsFlush()
    }

    func abandon(_ exchange: ServerExchange, by abandonment: Abandonment) {
        guard current?.exchange === exchange, !exchange.hasResponded else { return }
        // Scheduled, since the channel must not be closed from inside a read.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.close() }
    }

    /// The framing of a response body (RFC 9112, 6).
    private enum Framing {
        case whole(bytes: Int)
        /// By `Content-Length` if the head has it, else in chunks.
        case streamed
    }

    private func writeHead(_ fields: HeaderFields, _ current: inout Current, _ framing: Framing) {
        let status = HTTPResponseStatus(statusCode: fields.leadingStatus)
        if phase == .draining || current.exchange.isMalformed || !isWorthDiscarding(current) {
            current.keepsAlive = false
        }
        let hasLength = fields.range(of: .contentLength) != nil
        append { head in
            head.writeStatusLine(status)
            head.writeLines(fields)
            if fields.range(of: .date) == nil { head.writeLine("date", dateField.value()) }
            switch framing {
            case .streamed:
                current.isChunked = !hasLength
                if current.isChunked { head.writeStaticString("transfer-encoding: chunked\r\n") }
            case .whole(let bytes):
                // The response to HEAD has no content-length if the length is unknown, as for a stream.
                let isSaid = hasLength || (current.exchange.isHead && bytes == 0)
                if !isSaid, status.mayHaveResponseBody { head.writeString("content-length: \(bytes)\r\n") }
            }
            if status == .upgradeRequired {
                // The required version (RFC 9110, 15.5.22). `Upgrade` is a connection-specific field (7.8).
                head.writeStaticString("upgrade: HTTP/1.1\r\n")
            }
            switch (current.keepsAlive, status == .upgradeRequired) {
            case (true, false): break
            case (true, true): head.writeStaticString("connection: upgrade\r\n")
            case (false, false): head.writeStaticString("connection: close\r\n")
            case (false, true): head.writeStaticString("connection: close, upgrade\r\n")
            }
            head.writeStaticString("\r\n")
        }
        current.exchange.response = .begun
    }

    /// Whether the rest of the request is short enough to be discarded, to keep the connection usable.
    private func isWorthDiscarding(_ current: Current) -> Bool {
        // A peer that still waits for `100 Continue` may send the body or not, so the start of the next request is unknown.
        if current.exchange.input == .complete { return true }
        guard current.exchange.input != .awaitsContinue, let length = current.contentLength else { return false }
        return length - current.exchange.inbound.receivedBytes <= limits.discardedBodyBytesMax
    }

    private func responseOver() {
        setNeedsFlush()
        guard let current else { return }
        if current.exchange.input == .complete {
            finish()
        } else if !current.keepsAlive {
            end()
        }
    }

    func outboundChanged(on exchange: ServerExchange) {
        guard current?.exchange === exchange else { return }
        pump()
    }

    /// Writes the streamed body while the socket is writable and the time slice lasts.
    private func pump() {
        guard let current, current.exchange.hasResponded, !current.exchange.isResponseEnded else { return }
        let exchange = current.exchange
        while let context, context.channel.isWritable {
            guard scheduler.maySend() else {
                enqueuePump()
                break
            }
            switch exchange.outbound.next(limit: limits.streamWriteBytesMax) {
            case .bytes(let count, let isLast):
                let producer = exchange.outbound.send(count, lowWaterBytes: limits.streamWriteBytesMax / 2) { bytes in
                    // Each buffer is a chunk. A large one is not copied.
                    writeChunk(bytes, isChunked: current.isChunked)
                }
                scheduler.sent(bytes: count)
                _ = scheduler.resume(producer)
                guard isLast else { continue }
                exchange.response = .ended(at: isReading ? readTime : .now())
                if current.isChunked { append { $0.writeStaticString("0\r\n\r\n") } }
                responseOver()
                return
            case .nothingYet:
                scheduleFlush()
                return
            case .reset:
                // Without the last chunk the peer knows that the body is incomplete (RFC 9112, 8).
                end()
                return
            }
        }
        setNeedsFlush()
    }

    private func enqueuePump() {
        guard !isPumpEnqueued else { return }
        isPumpEnqueued = true
        scheduler.enqueue { [self] in
            isPumpEnqueued = false
            pump()
        }
    }

    func inboundRead(_ count: Int, on exchange: ServerExchange) {
        _ = exchange.inbound.credit(count)
        releaseRead()
    }

    func inboundAwaited(on exchange: ServerExchange) {
        guard exchange.takeContinue(), current?.exchange === exchange, !exchange.hasResponded else { return }
        append { $0.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
        setNeedsFlush()
    }

    /// Appends to the output. A connection that has ended sends nothing more.
    private func append(_ write: (inout ByteBuffer) -> Void) {
        var bytes = output ?? outputBuffer.borrow()
        // Not in two places at once: the buffer would be copied.
        output = nil
        write(&bytes)
        output = bytes
        if bytes.readableBytes >= Self.outputBytesMax { writeOutput() }
    }

    /// The size from which output is written to the channel, which then knows whether it is writable.
    private static let outputBytesMax = 65_536

    private func write(_ bytes: ByteBuffer) {
        guard bytes.readableBytes >= ByteQueue.referencedBytesMin else {
            return append { $0.writeImmutableBuffer(bytes) }
        }
        writeOutput()
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }

    private func writeChunk(_ bytes: ByteBuffer, isChunked: Bool) {
        guard isChunked else { return write(bytes) }
        append { $0.writeString(String(bytes.readableBytes, radix: 16) + "\r\n") }
        write(bytes)
        append { $0.writeStaticString("\r\n") }
    }

    /// Writes the output to the channel.
    private func writeOutput() {
        guard let bytes = output else { return }
        output = nil
        if bytes.readableBytes > 0 { context?.write(wrapOutboundOut(bytes), promise: nil) }
        written = bytes
    }

    /// Writes and flushes the output.
    private func flush() {
        writeOutput()
        context?.flush()
        if let written {
            self.written = nil
            outputBuffer.giveBack(written)
        }
    }

    /// Flushes at the end of the current read, or immediately outside a read.
    private func setNeedsFlush() {
        isFlushNeeded = true
        if !isReading { flushIfNeeded() }
    }

    /// Flushes after the loop's current task, so that what a producer writes in it is sent together.
    private func scheduleFlush() {
        isFlushNeeded = true
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            bound.value.isFlushScheduled = false
            bound.value.flushIfNeeded()
        }
    }

    private func flushIfNeeded() {
        guard isFlushNeeded else { return }
        isFlushNeeded = false
        flush()
    }

    // MARK: Ending

    /// Responds to the received requests with `Connection: close`, and then closes.
    package func drain() {
        guard phase == .open else { return }
        phase = .draining
        if current == nil { endUnlessRequested() }
    }

    /// Closes after a short delay, since a request may be in transit. If one arrives it is answered with
    /// `Connection: close`.
    private func endUnlessRequested() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        lingerTimer?.cancel()
        lingerTimer = eventLoop.scheduleTask(in: limits.drainNoticeMax) {
            if bound.value.current == nil { bound.value.end() }
        }
    }

    package func cancelExchanges() {
        current?.exchange.task?.cancel()
    }

    package func endIfIdle() {
        if current == nil { end() }
    }

    package func close() {
        context?.close(promise: nil)
    }

    /// Flushes pending output and closes our side. The channel closes when the peer closes its side, or after
    /// `Limits.lingerMax`, see `HTTP2Handler`.
    private func end() {
        guard phase != .ended, let context else { return }
        phase = .ended
        framer.close()
        isFlushNeeded = false
        let bound = NIOLoopBound(context, eventLoop: eventLoop)
        flush()
        context.close(mode: .output, promise: nil)
        lingerTimer?.cancel()
        lingerTimer = eventLoop.scheduleTask(in: limits.lingerMax) { bound.value.close(promise: nil) }
        watchTimer.cancel()
        // The current request can no longer be answered.
        current?.exchange.close(.connectionLost)
        current = nil
        if isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    // MARK: Time

    private func checkTimeouts() {
        guard phase != .ended else { return }
        let now = NIODeadline.now()
        if let exchange = current?.exchange {
            if exchange.isWriteStalled(at: now, timeouts: timeouts, limits: limits) || isSocketStalled(at: now) {
                load.triggered(.slowReader, against: peer.address)
                close()
                return
            }
            if exchange.isOverdue(at: now, timeouts: timeouts) {
                exchange.task?.cancel()
                refuse(.answerTimedOut, exchange, requestHandler)
            } else if exchange.isReadStalled(at: now, timeouts: timeouts, limits: limits) {
                load.triggered(.slowBody, against: peer.address)
                current?.keepsAlive = false
                exchange.inbound.failed(.timedOut)?.resume(returning: .failure(.timedOut))
            }
        }
        switch watch.check(at: now) {
        case .none, .ping: break
        case .drain(.idle): end()
        case .drain: drain()
        case .cutOff(.headers):
            load.triggered(.headersTimeout, against: peer.address)
            refuse(.timedOut)
            flushIfNeeded()
        case .cutOff: close()
        }
        buffers.report(bufferedBytes)
        releaseRead()
        rearm(now)
    }

    private var socketProgress = Progress()

    /// Checks the bytes in the socket's buffer too: on HTTP/1.1 only they show that the peer does not read.
    private func isSocketStalled(at now: NIODeadline) -> Bool {
        guard let context, let exchange = current?.exchange else { return false }
        let buffered = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        return socketProgress.isStalled(
            at: now, count: exchange.outbound.sentBytes - buffered, isAwaited: buffered > 0,
            bytesMin: limits.writeProgressBytesMin,
            within: exchange.writeProgressMax(timeouts))
    }

    private func rearm(_ now: NIODeadline) {
        guard phase != .ended else { return }
        watchTimer.arm(watch.nextCheck(after: now), self) { $0.checkTimeouts() }
    }
}
