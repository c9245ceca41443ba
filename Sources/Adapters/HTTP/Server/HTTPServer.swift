package import Logging
package import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// A server for HTTP/2 and HTTP/1.1 on one listening socket, in clear text or over TLS.
///
/// The HTTP version is negotiated by ALPN over TLS (RFC 7301) and detected from the first bytes in clear text
/// (RFC 9113, 3.3).
package final class HTTPServer: Service {
    /// The configuration of a listener.
    package struct Configuration: Sendable {
        package var limits = Limits()
        package var timeouts = Timeouts()

        /// `nil` for clear text.
        package var tls: ServerCertificate?

        /// Addresses whose connections must start with a PROXY protocol header, which is trusted. Other peers must not
        /// send one.
        package var proxyProtocolTrusted: [AddressRange] = []

        /// Addresses of proxies that forward for many clients; exempt from the limit per address.
        package var trustedProxies: [AddressRange] = []

        /// How long new connections are still accepted after shutdown was requested, until balancers stop sending.
        package var shutdownDelay = TimeAmount.zero

        /// How long in-flight requests may take after `shutdownDelay`.
        package var shutdownGrace = TimeAmount.seconds(20)

        package init() {}
    }

    private let group: MultiThreadedEventLoopGroup
    private let configuration: Configuration
    private let logger: Logger
    private let connections: OpenConnections

    /// The resources in use by its connections.
    package let load: ServerLoad

    private let listener: any Channel
    private let shutdownBegan: @Sendable () -> Void

    /// The address of the listening socket, with the port chosen by the system if 0 was requested.
    package let address: SocketAddress

    /// Binds the socket immediately, so that a port conflict is reported before other services start.
    ///
    /// - Parameters:
    ///   - port: The port; 0 lets the system choose one.
    ///   - defences: Counts and logs the actions of defences; by default a new instance.
    ///   - shutdownBegan: Called as soon as shutdown is requested.
    /// - Throws: `BindFailure`.
    package init(
        host: String, port: Int, group: MultiThreadedEventLoopGroup, handler: any RequestHandler,
        configuration: Configuration = Configuration(), logger: Logger,
        defences: DefenceLog? = nil, shutdownBegan: @escaping @Sendable () -> Void = {}
    ) async throws {
        self.group = group
        self.configuration = configuration
        self.logger = logger
        self.shutdownBegan = shutdownBegan
        let connections = OpenConnections()
        self.connections = connections
        let load = ServerLoad(
            limits: configuration.limits, sharedAddresses: configuration.trustedProxies,
            defences: defences ?? DefenceLog(logger: logger))
        self.load = load
        let bytesMax = configuration.limits.connectionWriteBytesMax
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1024)
            // Accepted sockets inherit these two options from the listening socket.
            .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // Limits unsent data in the socket, since responses queue behind the data of streams there.
            .serverChannelOption(.tcpOption(.notSentLowWater), value: Self.unsentBytesMax)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard load.connectionBegan(on: channel) else { throw ChannelError.alreadyClosed }
                    // Set here, since each `childChannelOption` costs several futures for each connection.
                    let options = channel.syncOptions
                    // One read per poll, so that a busy connection does not delay the others on its loop.
                    try options?.setOption(.maxMessagesPerRead, value: 1)
                    try options?.setOption(.writeBufferWaterMark, value: .init(low: bytesMax / 4, high: bytesMax))
                    channel.closeFuture.whenComplete { _ in load.connectionEnded() }
                    let id = connections.makeID(of: channel)
                    let negotiator = ConnectionNegotiator(
                        configuration: configuration, requestHandler: handler, load: load,
                        executor: EventLoopExecutor.of(channel.eventLoop), address: channel.remoteAddress
                    ) { connections.keep($0, as: id) }
                    connections.keep(negotiator, as: id)
                    try channel.pipeline.syncOperations.addHandler(negotiator)
                }
            }
        (listener, address) = try await Self.bind(bootstrap, host, port)
    }

    private static func bind(
        _ bootstrap: ServerBootstrap, _ host: String, _ port: Int
    ) async throws(BindFailure) -> (any Channel, SocketAddress) {
        do {
            let addresses = try await NIOThreadPool.singleton.runIfActive {
                try AddressLookup.addresses(of: host, port: port)
            }
            guard let address = addresses.first else { throw AddressLookup.Unknown() }
            let listener = try await bootstrap.bind(to: address).get()
            guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
            return (listener, address)
        } catch {
            throw BindFailure(host: host, port: port, error)
        }
    }

    /// Unsent bytes that a socket accepts. It becomes writable again when half of them were sent: at 10 Gbit/s the other
    /// half lasts for 50 microseconds, in which the event loop writes more.
    private static let unsentBytesMax = 131_072

    /// The interval for checking the memory limit and logging the actions of defences.
    private static let loadInterval = TimeAmount.milliseconds(250)

    /// Serves until the service group shuts down. After `shutdownDelay` it accepts no new connections, waits for in-flight
    /// requests and returns. Requests still running after `shutdownGrace` are cancelled.
    package func run() async throws {
        let watch = group.next().scheduleRepeatedTask(initialDelay: Self.loadInterval, delay: Self.loadInterval) {
            [load, connections] _ in
            if load.isMemoryShort { connections.endIdle() }
            load.logWithheld()
        }
        try? await gracefulShutdown()
        watch.cancel()
        shutdownBegan()
        try? await group.next().scheduleTask(in: configuration.shutdownDelay) {}.futureResult.get()
        try? await listener.close()
        connections.drain()
        let connections = connections
        let grace = configuration.shutdownGrace
        let deadline = group.next().scheduleTask(in: grace) { [logger] in
            logger.warning("cancelling the requests that are still in flight", metadata: ["after": "\(grace)"])
            connections.cancelExchanges()
        }
        // Cancelled streams get one second to send their last lines.
        let end = group.next().scheduleTask(in: grace + .seconds(1)) { connections.close() }
        await connections.allClosed()
        deadline.cancel()
        end.cancel()
    }
}

/// The set of open connections of one server, for draining.
private final class OpenConnections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: NIOLoopBound<any ServedConnection>] = [:]
        var isDraining = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Returns the key of a channel's connection, and removes the connection when the channel closes.
    func makeID(of channel: any Channel) -> ObjectIdentifier {
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.remove(id) }
        return id
    }

    /// Stores a connection, or replaces `ConnectionNegotiator` by the handler that took over.
    func keep(_ connection: any ServedConnection, as id: ObjectIdentifier) {
        let bound = NIOLoopBound(connection, eventLoop: connection.eventLoop)
        let isDraining = state.withLock { state in
            state.open[id] = bound
            return state.isDraining
        }
        if isDraining { connection.drain() }
    }

    private func remove(_ id: ObjectIdentifier) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.open[id] = nil
            guard state.open.isEmpty else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func drain() {
        state.withLock { $0.isDraining = true }
        forEach { $0.drain() }
    }

    func cancelExchanges() {
        forEach { $0.cancelExchanges() }
    }

    /// Closes connections without in-flight requests.
    func endIdle() {
        forEach { $0.endIfIdle() }
    }

    func close() {
        forEach { $0.close() }
    }

    private func forEach(_ body: @escaping @Sendable (any ServedConnection) -> Void) {
        for connection in state.withLock({ Array($0.open.values) }) {
            connection.eventLoop.execute { body(connection.value) }
        }
    }

    /// Waits until no connection is open.
    func allClosed() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if state.open.isEmpty { return false }
                state.waiter = continuation
                return true
            }
            if !isOpen { continuation.resume() }
        }
    }
}

extension NIOBSDSocket.Option {
    /// `TCP_NOTSENT_LOWAT` (Linux `tcp.h`): the limit of unsent bytes in a socket's buffer.
    fileprivate static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)
}
