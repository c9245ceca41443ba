package import Logging
package import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// A listener for HTTP/2 and HTTP/1.1, in clear text or over TLS.
///
/// Over TLS, ALPN decides which (RFC 7301); in clear text the first bytes do (RFC 9113, 3.3).
package final class HTTPServer: Service {
    /// How a listener treats its peers.
    package struct Configuration: Sendable {
        package var limits = Limits()
        package var timeouts = Timeouts()

        /// `nil` for clear text.
        package var tls: ServerCertificate?

        /// Whose connections begin with a header of the PROXY protocol, which is believed; nobody else's do.
        package var proxyProtocolTrusted: [AddressRange] = []

        /// Whose address stands for many peers.
        package var trustedProxies: [AddressRange] = []

        /// How long connections are still taken after the service was asked to stop, so that balancers hear of it first.
        package var shutdownDelay = TimeAmount.zero

        /// How long requests under way may take to end after that.
        package var shutdownGrace = TimeAmount.seconds(20)

        package init() {}
    }

    private let group: MultiThreadedEventLoopGroup
    private let configuration: Configuration
    private let logger: Logger
    private let connections: OpenConnections

    /// What its connections hold together.
    package let load: ServerLoad

    private let listener: any Channel
    private let shutdownBegan: @Sendable () -> Void

    /// Where it listens; names the port where the system chose it.
    package let address: SocketAddress

    /// Binds at once, so that a port in use is known before anything else is started.
    ///
    /// - Parameters:
    ///   - port: 0 lets the system choose.
    ///   - defences: What counts what peers are refused; one of its own if not given.
    ///   - shutdownBegan: Hears at once that the server was asked to stop.
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
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // Answers wait in the socket behind what a stream has put there, so it takes no more than keeps it busy.
            .childChannelOption(.tcpOption(.notSentLowWater), value: Self.unsentBytesMax)
            // One read of the socket a turn: a busy connection does not hold up the others of its loop.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: bytesMax / 4, high: bytesMax))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard load.connectionBegan(on: channel) else { throw ChannelError.alreadyClosed }
                    channel.closeFuture.whenComplete { _ in load.connectionEnded() }
                    let id = connections.makeID(of: channel)
                    let greeter = ConnectionGreeter(
                        configuration: configuration, requestHandler: handler, load: load,
                        executor: EventLoopExecutor(channel.eventLoop), address: channel.remoteAddress
                    ) { connections.keep($0, as: id) }
                    connections.keep(greeter, as: id)
                    try channel.pipeline.syncOperations.addHandler(greeter)
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

    /// Bytes that the socket takes ahead of what the network does: twice a slice of streams, so that it does not run dry
    /// between two of them.
    private static let unsentBytesMax = 2 * StreamScheduler.sliceBytesMax

    /// How often it is looked whether memory is short, and what defences have done of late.
    private static let loadInterval = TimeAmount.milliseconds(250)

    /// Serves until the service group shuts down; then, after `shutdownDelay`, takes no new connection, lets the requests
    /// under way end, and returns. What has not ended after `shutdownGrace` is cut off.
    package func run() async throws {
        let watch = group.next().scheduleRepeatedTask(initialDelay: Self.loadInterval, delay: Self.loadInterval) {
            [load, connections] _ in
            if load.isShort { connections.endIdle() }
            load.sayRest()
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
            logger.warning("cutting off the requests that are still under way", metadata: ["after": "\(grace)"])
            connections.cancelExchanges()
        }
        // The bodies being cut off get a moment for their last words.
        let end = group.next().scheduleTask(in: grace + .seconds(1)) { connections.close() }
        await connections.allClosed()
        deadline.cancel()
        end.cancel()
    }
}

/// The connections of one server, so that all of them can be drained.
private final class OpenConnections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: NIOLoopBound<any ServedConnection>] = [:]
        var isDraining = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Names the connection of a channel, until that closes.
    func makeID(of channel: any Channel) -> ObjectIdentifier {
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in self.remove(id) }
        return id
    }

    /// Keeps a connection, in place of what greeted it.
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

    /// Ends those without a request under way.
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

    /// Returns when no connection is open.
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
    /// `TCP_NOTSENT_LOWAT` of Linux's `tcp.h`: how many bytes that were not sent yet a socket holds.
    fileprivate static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)
}
