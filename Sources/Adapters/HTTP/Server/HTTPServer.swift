package import Logging
package import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// A listener for HTTP/2 in clear text by prior knowledge (RFC 9113, 3.3).
package final class HTTPServer: Service {
    private let group: MultiThreadedEventLoopGroup
    private let handler: any RequestHandler
    private let limits: Limits
    private let grace: TimeAmount
    private let logger: Logger
    private let connections: OpenConnections
    private let listener: any Channel

    /// Where it listens; names the port where the system chose it.
    package let address: SocketAddress

    /// Binds at once, so that a port in use is known before anything else is started.
    ///
    /// - Parameters:
    ///   - port: 0 lets the system choose.
    ///   - grace: How long requests under way may take to end when the service is stopped.
    /// - Throws: what the system says of the address.
    package init(
        host: String, port: Int, group: MultiThreadedEventLoopGroup, handler: any RequestHandler,
        limits: Limits = Limits(), grace: TimeAmount, logger: Logger
    ) async throws {
        self.group = group
        self.handler = handler
        self.limits = limits
        self.grace = grace
        self.logger = logger
        let connections = OpenConnections()
        self.connections = connections
        listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            // One read of the socket a turn: a busy connection does not hold up the others of its loop.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: limits.connectionWriteBytesMax / 4, high: limits.connectionWriteBytesMax)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = HTTP2Handler(
                        role: .server(handler), limits: limits, executor: EventLoopExecutor(channel.eventLoop))
                    try channel.pipeline.syncOperations.addHandler(connection)
                    connections.add(connection, of: channel)
                }
            }
            .bind(host: host, port: port).get()
        guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
        self.address = address
    }

    /// Serves until the service group shuts down; then takes no new connection, lets the requests under way end, and
    /// returns. What has not ended after `grace` is cut off.
    package func run() async throws {
        try? await gracefulShutdown()
        try? await listener.close()
        connections.drain()
        let connections = connections
        let deadline = group.next().scheduleTask(in: grace) { [logger] in
            logger.warning("cutting off the requests that are still under way", metadata: ["after": "\(self.grace)"])
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
        var open: [ObjectIdentifier: NIOLoopBound<HTTP2Handler>] = [:]
        var isDraining = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func add(_ connection: HTTP2Handler, of channel: any Channel) {
        let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        let id = ObjectIdentifier(connection)
        let isDraining = state.withLock { state in
            state.open[id] = bound
            return state.isDraining
        }
        channel.closeFuture.whenComplete { _ in self.remove(id) }
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

    func close() {
        forEach { $0.close() }
    }

    private func forEach(_ body: @escaping @Sendable (HTTP2Handler) -> Void) {
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
