import NIOCore
import NIOHTTP1

/// An HTTP/1.1 client connection on top of NIO's parser and encoder. Sends one request at a time.
final class HTTP1ClientHandler: ChannelDuplexHandler, ClientConnection, SentRequest {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    let applicationProtocol = ApplicationProtocol.http1

    private let configuration: HTTPClient.Configuration
    private let events: ConnectionEvents
    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var current: Current?
    private var isRetired = false
    private var isReadHeld = false
    private var hasCloseNotify = false
    private var ageTimer: Scheduled<Void>?
    private var idleTimer: Scheduled<Void>?
    private(set) var lastReceived = NIODeadline.now()

    private struct Current {
        let call: ClientCall
        var head: HTTPResponseHead?
        /// Whether the response has a defined length: Content-Length, chunked coding or no body.
        var isFramed = false
    }

    init(configuration: HTTPClient.Configuration, eventLoop: any EventLoop, events: ConnectionEvents) {
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.events = events
    }

    static func add(_ handler: HTTP1ClientHandler, to channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandlers([
            HTTPRequestEncoder(),
            ByteToMessageHandler(
                HTTPResponseDecoder(
                    leftOverBytesStrategy: .dropBytes, limitConfiguration: .init(handler.configuration.limits))),
            handler,
        ])
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // One buffer for each read, so that little arrives after `StreamedCall.bufferBytesMax` is reached.
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ageTimer = eventLoop.scheduleTask(in: configuration.timeouts.connectionAgeWithJitter) { bound.value.drain() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        teardown(.connectionLost)
    }

    func channelInactive(context: ChannelHandlerContext) {
        teardown(.connectionLost)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSCloseNotify { hasCloseNotify = true }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        teardown(error is HTTPParserError ? .malformed : .connectionLost)
        context.close(promise: nil)
    }

    func read(context: ChannelHandlerContext) {
        if mayRead {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    /// Reading pauses while the reader of a streamed response is behind.
    private var mayRead: Bool { current?.call.unreadBytes ?? 0 < StreamedCall.bufferBytesMax }

    private func releaseRead() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastReceived = .now()
        guard var current else {
            // An unsolicited response: following bytes could be mistaken for the response to the next request.
            close()
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            current.head = head
            let isHead = current.call.request.fields.string(.method) == "HEAD"
            let mayHaveBody = head.status.mayHaveResponseBody && !isHead
            current.isFramed =
                !mayHaveBody || head.headers.contains(name: "content-length")
                || head.headers.contains(name: "transfer-encoding")
            self.current = current
            current.call.headReceived(Self.fields(of: head))
        case .body(let bytes):
            switch current.call.received(bytes) {
            case .taken, .buffered: break
            case .excessive: cancel(current.call, .tooLarge)
            }
        case .end:
            responseEnded(current)
        }
    }

    private func responseEnded(_ current: Current) {
        guard let head = current.head else { return }
        self.current = nil
        // If the body ends with the connection, only a TLS close_notify proves that it is complete.
        let isWhole = current.isFramed || hasCloseNotify
        if isWhole {
            current.call.ended()
        } else {
            current.call.failed(.malformed)
        }
        releaseRead()
        guard head.isKeepAlive, isWhole, !isRetired else {
            retire()
            close()
            return
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        idleTimer = eventLoop.scheduleTask(in: configuration.timeouts.idle) { bound.value.drain() }
        events.isFree()
    }

    private static func fields(of head: HTTPResponseHead) -> HeaderFields {
        var fields = HeaderFields(reservingBytes: 512)
        fields.append(.status, Int(head.status.code))
        for (name, value) in head.headers { fields.append(lowercasing: name, value) }
        return fields
    }

    private func teardown(_ failure: HTTPFailure) {
        guard context != nil else { return }
        context = nil
        ageTimer?.cancel()
        idleTimer?.cancel()
        retire()
        guard let current else { return }
        self.current = nil
        current.call.failed(failure)
    }

    // MARK: Requests

    var hasExchanges: Bool { current != nil }

    var acceptsRequests: Bool { context != nil && current == nil && !isRetired }

    func send(_ call: ClientCall) {
        guard acceptsRequests, let context else {
            call.failed(.unprocessed)
            return
        }
        idleTimer?.cancel()
        current = Current(call: call)
        call.began(firstByteWithin: configuration.firstByte, self)
        context.write(wrapOutboundOut(.head(Self.head(of: call.request))), promise: nil)
        if call.request.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(.byteBuffer(call.request.body))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private static func head(of request: ClientRequest) -> HTTPRequestHead {
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        request.fields.forEach { name, value in
            let text = String(decoding: value, as: UTF8.self)
            switch String(decoding: name, as: UTF8.self) {
            case ":method": head.method = HTTPMethod(rawValue: text)
            case ":path": head.uri = text
            case ":authority": head.headers.add(name: "host", value: text)
            case ":scheme": break
            case let name: head.headers.add(name: name, value: text)
            }
        }
        return head
    }

    /// Cancels a request. On HTTP/1.1 that means closing the connection.
    func cancel(_ call: ClientCall, _ failure: HTTPFailure) {
        guard current?.call === call, let context else { return }
        teardown(failure)
        context.close(promise: nil)
    }

    func bodyRead(_ count: Int) { releaseRead() }

    func ping(_ answered: @escaping () -> Void) {}

    private func retire() {
        guard !isRetired else { return }
        isRetired = true
        events.retired(self)
    }

    func drain() {
        retire()
        if current == nil { close() }
    }

    func close() {
        context?.close(promise: nil)
    }
}
