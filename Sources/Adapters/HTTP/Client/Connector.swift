import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix

/// Opens one connection to an origin: address lookup, TCP, proxy, TLS and ALPN, each step with its own deadline.
struct Connector {
    struct Connected: Sendable {
        let connection: NIOLoopBound<any ClientConnection>
        let channel: any Channel
    }

    let origin: Origin
    let eventLoop: any EventLoop
    let configuration: HTTPClient.Configuration

    /// The host that the socket connects to: the proxy if one is configured, otherwise the origin.
    static func target(of origin: Origin, _ configuration: HTTPClient.Configuration) -> (host: String, port: Int) {
        guard let proxy = proxy(to: origin, configuration) else { return (origin.host, origin.port) }
        return (proxy.host, proxy.port)
    }

    private static func proxy(to origin: Origin, _ configuration: HTTPClient.Configuration) -> ForwardProxy? {
        guard origin.scheme == .https else { return nil }
        return configuration.proxies.proxy(forHost: origin.host, port: origin.port)
    }

    private func failure(_ cause: ConnectFailure.Cause) -> ConnectFailure {
        ConnectFailure(cause, to: origin, through: Self.proxy(to: origin, configuration))
    }

    /// Opens a connection. Must be called on the event loop.
    ///
    /// - Returns: A future that fails with `ConnectFailure` only.
    func connect(events: ConnectionEvents) -> EventLoopFuture<Connected> {
        let (host, port) = Self.target(of: origin, configuration)
        let proxy = Self.proxy(to: origin, configuration)
        let context = NIOLoopBound((self, events), eventLoop: eventLoop)
        return configuration.lookup.addresses(of: host, port: port, on: eventLoop, within: configuration.resolve)
            .flatMapErrorThrowing { error in
                let cause: ConnectFailure.Cause =
                    switch error {
                    case is AddressLookup.TimedOut: .resolverTimedOut
                    case is AddressLookup.Unknown: .unknownHost
                    case is AddressLookup.Forbidden: .forbiddenAddress
                    default: .resolverFailed
                    }
                throw context.value.0.failure(cause)
            }
            .flatMap { addresses in
                let (connector, events) = context.value
                return connector.openSocket(to: addresses, host, port, events)
            }
            .flatMap { channel in
                let (connector, _) = context.value
                guard let proxy else { return connector.eventLoop.makeSucceededFuture(channel) }
                return connector.tunnel(through: proxy, channel)
            }
            .flatMap { channel in
                let (connector, events) = context.value
                switch connector.origin.scheme {
                case .https: return connector.startTLS(channel, events)
                case .http: return connector.connectedInClear(channel)
                }
            }
    }

    private func openSocket(
        to addresses: [SocketAddress], _ host: String, _ port: Int, _ events: ConnectionEvents
    ) -> EventLoopFuture<any Channel> {
        guard !addresses.isEmpty else { return eventLoop.makeFailedFuture(failure(.unknownHost)) }
        let bytesMax = configuration.limits.connectionWriteBytesMax
        let context = NIOLoopBound((self, events), eventLoop: eventLoop)
        let isClear = origin.scheme == .http
        var bootstrap = ClientBootstrap(group: eventLoop)
        if let bytes = configuration.receiveBufferBytes {
            bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: SocketOptionValue(bytes))
        }
        return
            bootstrap
            .resolver(FoundAddresses(addresses: addresses, eventLoop: eventLoop))
            .connectTimeout(configuration.connect)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: bytesMax / 4, high: bytesMax))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard isClear else { return }
                    // Added before connecting, so that the handler receives the server's first bytes.
                    let (connector, events) = context.value
                    _ = try connector.addHandler(connector.configuration.clearProtocol, on: channel, events)
                }
            }
            .connect(host: host, port: port)
            .flatMapErrorThrowing { error in
                throw context.value.0.failure(ConnectFailure.Cause(connecting: error))
            }
    }

    /// Adds the handler for the HTTP version.
    private func addHandler(
        _ applicationProtocol: ApplicationProtocol, on channel: any Channel, _ events: ConnectionEvents
    ) throws -> any ClientConnection {
        switch applicationProtocol {
        case .http2:
            let handler = HTTP2ClientHandler(
                events: events, firstByte: configuration.firstByte, limits: configuration.limits,
                timeouts: configuration.timeouts, eventLoop: eventLoop)
            try channel.pipeline.syncOperations.addHandler(handler)
            return handler
        case .http1:
            let handler = HTTP1ClientHandler(configuration: configuration, eventLoop: eventLoop, events: events)
            try HTTP1ClientHandler.add(handler, to: channel)
            return handler
        }
    }

    private func connectedInClear(_ channel: any Channel) -> EventLoopFuture<Connected> {
        eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let handler: (any ClientConnection)? =
                switch configuration.clearProtocol {
                case .http2: try? pipeline.handler(type: HTTP2ClientHandler.self)
                case .http1: try? pipeline.handler(type: HTTP1ClientHandler.self)
                }
            guard let handler else { throw failure(.closed) }
            return Connected(connection: NIOLoopBound(handler, eventLoop: eventLoop), channel: channel)
        }
    }

    // MARK: Proxy

    /// Opens a tunnel to the origin by CONNECT (RFC 9110, 9.3.6).
    private func tunnel(through proxy: ForwardProxy, _ channel: any Channel) -> EventLoopFuture<any Channel> {
        let promise = eventLoop.makePromise(of: Void.self)
        let host = origin.host.contains(":") ? "[\(origin.host)]" : origin.host
        var headers: HTTPHeaders = ["host": "\(host):\(origin.port)"]
        if let authorization = proxy.authorization { headers.add(name: "proxy-authorization", value: authorization) }
        let encoder = HTTPRequestEncoder()
        let decoder = ByteToMessageHandler(
            HTTPResponseDecoder(
                leftOverBytesStrategy: .forwardBytes, limitConfiguration: .init(listBytesMax: 8192, fieldsMax: 100)))
        let connect = NIOHTTP1ProxyConnectHandler(
            targetHost: host, targetPort: origin.port, headers: headers, deadline: .now() + configuration.connect,
            promise: promise)
        let watch = ProxyResponseObserver(promise)
        let handlers = NIOLoopBound((encoder, decoder, watch), eventLoop: eventLoop)
        do {
            try channel.pipeline.syncOperations.addHandlers([encoder, decoder, watch, connect])
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
            .flatMap {
                let (encoder, decoder, watch) = handlers.value
                let pipeline = channel.pipeline.syncOperations
                return pipeline.removeHandler(encoder).and(pipeline.removeHandler(watch))
                    .and(pipeline.removeHandler(decoder)).map { _ in channel }
            }
            .flatMapErrorThrowing { error in
                channel.close(promise: nil)
                let status = handlers.value.2.status
                let wasAttempted = proxy.authorization != nil
                let cause: ConnectFailure.Cause =
                    switch (status, error as? NIOHTTP1ProxyConnectHandler.Error) {
                    // Tinyproxy sends 401 for a wrong password.
                    case (let status?, _) where status == 407 || status == 401:
                        .proxyAuthentication(status, wasAttempted: wasAttempted)
                    case (let status?, _): status >= 300 ? .proxyStatus(status) : .proxyMalformed
                    case (nil, NIOHTTP1ProxyConnectHandler.Error.httpProxyHandshakeTimeout()?): .proxyTimedOut
                    case (nil, _?): .proxyClosed
                    case (nil, nil): error is HTTPParserError ? .proxyMalformed : .proxyClosed
                    }
                throw ConnectFailure(cause, to: origin, through: proxy)
            }
    }

    // MARK: TLS

    private func startTLS(_ channel: any Channel, _ events: ConnectionEvents) -> EventLoopFuture<Connected> {
        let promise = eventLoop.makePromise(of: Connected.self)
        guard let tls = configuration.tls else { preconditionFailure("https needs a TLS context") }
        let negotiator = ClientNegotiator(promise: promise, eventLoop: eventLoop, failure: failure) {
            applicationProtocol in
            try addHandler(applicationProtocol, on: channel, events)
        }
        let timedOut = failure(.tlsTimedOut)
        let deadline = eventLoop.scheduleTask(in: configuration.tlsHandshake) {
            promise.fail(timedOut)
            channel.close(promise: nil)
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        do {
            try channel.pipeline.syncOperations.addHandlers([
                TLSHandler(client: tls, host: origin.hostWithoutZone), negotiator,
            ])
        } catch {
            promise.fail(failure(.tlsClosed))
        }
        return promise.futureResult
    }
}

/// Records the status of a proxy's CONNECT response, which NIO's handler does not report, and fails the promise if the
/// response is not HTTP.
private final class ProxyResponseObserver: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private let promise: EventLoopPromise<Void>
    private(set) var status: Int?

    init(_ promise: EventLoopPromise<Void>) {
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { status = Int(head.status.code) }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}

/// Waits for the TLS handshake of a client connection and then adds the handler for the negotiated HTTP version.
private final class ClientNegotiator: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<Connector.Connected>
    private let eventLoop: any EventLoop
    private let failure: (ConnectFailure.Cause) -> ConnectFailure
    private let makeConnection: (ApplicationProtocol) throws -> any ClientConnection

    init(
        promise: EventLoopPromise<Connector.Connected>, eventLoop: any EventLoop,
        failure: @escaping (ConnectFailure.Cause) -> ConnectFailure,
        makeConnection: @escaping (ApplicationProtocol) throws -> any ClientConnection
    ) {
        self.promise = promise
        self.eventLoop = eventLoop
        self.failure = failure
        self.makeConnection = makeConnection
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let handshake = event as? TLSHandshake else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        do {
            // A server without ALPN supports HTTP/1.1 only (RFC 7301).
            let connection = try makeConnection(handshake.applicationProtocol ?? .http1)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
            promise.succeed(
                Connector.Connected(
                    connection: NIOLoopBound(connection, eventLoop: eventLoop), channel: context.channel))
        } catch {
            fail(.tlsClosed, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail((error as? TLSFailure).map(ConnectFailure.Cause.tls) ?? .tlsClosed, context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(failure(.tlsClosed))
        context.fireChannelInactive()
    }

    private func fail(_ cause: ConnectFailure.Cause, _ context: ChannelHandlerContext) {
        promise.fail(failure(cause))
        context.close(promise: nil)
    }
}
