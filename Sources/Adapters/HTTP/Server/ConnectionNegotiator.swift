package import NIOCore

/// Sets up a server connection: reads the PROXY header, runs the TLS handshake, detects the HTTP version and then
/// replaces itself by the handler for that version.
///
/// It is the last handler of the channel until then. All steps together have the deadline `Timeouts.handshake`.
package final class ConnectionNegotiator: ChannelInboundHandler, RemovableChannelHandler, ServedConnection {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    private enum Phase {
        case proxyHeader
        case handshake
        case firstBytes
        case over
    }

    private let configuration: HTTPServer.Configuration
    private let requestHandler: any RequestHandler
    private let executor: EventLoopExecutor
    private let load: ServerLoad
    private let negotiated: (any ServedConnection) -> Void
    private var phase: Phase
    private var buffered = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?
    private var address: SocketAddress?
    private var certificateNames: [String] = []

    package var eventLoop: any EventLoop { executor.eventLoop }

    /// - Parameter negotiated: Called with the handler that takes over the connection.
    package init(
        configuration: HTTPServer.Configuration, requestHandler: any RequestHandler, load: ServerLoad,
        executor: EventLoopExecutor, address: SocketAddress?, negotiated: @escaping (any ServedConnection) -> Void
    ) {
        self.configuration = configuration
        self.requestHandler = requestHandler
        self.load = load
        self.executor = executor
        self.address = address
        self.negotiated = negotiated
        let isProxied = address.map { address in
            configuration.proxyProtocolTrusted.contains { $0.contains(address) }
        }
        if isProxied == true {
            phase = .proxyHeader
        } else {
            phase = configuration.tls == nil ? .firstBytes : .handshake
        }
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        deadline = eventLoop.scheduleTask(in: configuration.timeouts.handshake) {
            bound.value.triggered(.handshakeTimeout)
            bound.value.close()
        }
        if phase != .proxyHeader { admit() }
        if phase == .handshake { startTLS() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        endHandshake()
        self.context = nil
    }

    package func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        endHandshake()
        phase = .over
        context.fireChannelInactive()
    }

    /// Counts the connection for its client address once that is known; closes it if there are too many.
    private func admit() {
        guard let context, let address else { return }
        guard load.connectionBegan(from: address) else {
            close()
            return
        }
        context.channel.closeFuture.whenComplete { [load] _ in load.connectionEnded(from: address) }
    }

    private var isInHandshake = false

    private func endHandshake() {
        guard isInHandshake else { return }
        isInHandshake = false
        load.handshakeEnded()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        buffered.writeImmutableBuffer(unwrapInboundIn(data))
        proceed()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSHandshake, phase == .handshake {
            endHandshake()
            certificateNames = event.certificateNames
            switch event.applicationProtocol {
            case .http2: handOver(to: .http2)
            case .http1: handOver(to: .http1)
            // HTTP/2 over TLS requires ALPN (RFC 9113, 3.2).
            case nil: phase = .firstBytes
            }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close()
    }

    private func proceed() {
        switch phase {
        case .proxyHeader:
            switch ProxyHeader.find(in: buffered.readableBytesView) {
            case .needsMore: break
            case .malformed:
                triggered(.proxyHeader)
                close()
            case .header(let source, let length):
                buffered.moveReaderIndex(forwardBy: length)
                address = source ?? address
                // A balancer's own connections (health checks) do not count for an address.
                if source != nil { admit() }
                guard phase == .proxyHeader else { return }
                if configuration.tls == nil {
                    phase = .firstBytes
                    proceed()
                } else {
                    phase = .handshake
                    startTLS()
                }
            }
        case .firstBytes:
            let limits = configuration.limits
            let decision = FirstBytes.decide(
                buffered.readableBytesView, lineBytesMax: limits.requestLineBytesMax)
            switch decision {
            case .needsMore: break
            case .neither: refuse()
            case .http2 where configuration.tls != nil: refuse()
            case .http2: handOver(to: .http2)
            case .http1: handOver(to: .http1)
            }
        case .handshake, .over: break
        }
    }

    private func triggered(_ defence: Defence) {
        load.triggered(defence, against: address)
    }

    /// Closes without a response, since the peer does not speak HTTP.
    private func refuse() {
        triggered(.protocolErrors)
        close()
    }

    /// Adds the TLS handler before this one and passes it the bytes received so far.
    private func startTLS() {
        guard let context, let tls = configuration.tls, phase == .handshake else { return }
        guard load.handshakeBegan(with: address) else {
            close()
            return
        }
        isInHandshake = true
        do {
            let handler = TLSHandler(server: tls.current, overheadBytesMax: configuration.limits.overheadBytesMax) {
                [load, address] in load.triggered(.overhead, against: address)
            }
            try context.channel.pipeline.syncOperations.addHandler(handler, position: .before(self))
            let early = buffered
            buffered = ByteBuffer()
            if early.readableBytes > 0 { handler.receive(early) }
        } catch {
            close()
        }
    }

    private func handOver(to applicationProtocol: ApplicationProtocol) {
        guard let context, phase != .over else { return }
        phase = .over
        deadline?.cancel()
        let peer = PeerInfo(
            address: address, isEncrypted: configuration.tls != nil, applicationProtocol: applicationProtocol,
            certificateNames: certificateNames)
        load.connectionNegotiated(
            applicationProtocol, isEncrypted: peer.isEncrypted, until: context.channel.closeFuture)
        let limits = configuration.limits
        do {
            let connection: any ServedConnection
            switch applicationProtocol {
            case .http2:
                let handler = HTTP2ServerHandler(
                    requestHandler: requestHandler, load: load, limits: limits, timeouts: configuration.timeouts,
                    executor: executor, peer: peer)
                try context.channel.pipeline.syncOperations.addHandler(handler)
                connection = handler
            case .http1:
                connection = try HTTP1ServerHandler.add(
                    requestHandler: requestHandler, load: load, limits: limits, timeouts: configuration.timeouts,
                    executor: executor, peer: peer, to: context.channel)
            }
            negotiated(connection)
        } catch {
            close()
            return
        }
        if buffered.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(buffered))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    // MARK: The server

    /// Closes after a short delay, since the first request may be in transit.
    package func drain() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        deadline?.cancel()
        deadline = eventLoop.scheduleTask(in: configuration.limits.drainNoticeMax) { bound.value.close() }
    }

    package func cancelExchanges() {}

    package func endIfIdle() {}

    package func close() {
        guard phase != .over else { return }
        phase = .over
        context?.close(promise: nil)
    }
}
