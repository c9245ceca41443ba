import DequeModule
import Logging
import NIOCore

/// The connections to one origin and the queue of requests waiting for a connection. Confined to its event loop.
final class ConnectionPool {
    private let origin: Origin
    private let eventLoop: any EventLoop
    private let configuration: HTTPClient.Configuration
    private let logger: Logger

    /// Connections that accept requests, now or when their current request ends.
    private var connections: [Pooled] = []

    /// Draining connections, which accept no more requests.
    private var draining: Set<ObjectIdentifier> = []

    private var waiting: Deque<ClientCall> = []
    private var connecting = 0
    private var isClosed = false
    private var closed: EventLoopPromise<Void>?

    /// No connection attempt before this time, after the origin sent ENHANCE_YOUR_CALM.
    private var backOffUntil = NIODeadline.uptimeNanoseconds(0)
    private var resolvedAt = NIODeadline.now()
    private var isResolving = false

    private struct Pooled {
        let connection: any ClientConnection
        let channel: any Channel
        var isProbing = false

        /// Whether it carried a request since it was opened or last probed. A fresh connection needs no probe.
        var wasUsed = false
    }

    init(origin: Origin, eventLoop: any EventLoop, configuration: HTTPClient.Configuration, logger: Logger) {
        self.origin = origin
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.logger = logger
    }

    // MARK: Requests

    func submit(_ call: ClientCall) {
        call.pool = self
        guard !isClosed, waiting.count < configuration.waitingMax else {
            call.fail(.notConnected(ConnectFailure(isClosed ? .shuttingDown : .tooManyWaiting, to: origin)))
            return
        }
        call.isQueued = true
        waiting.append(call)
        serve()
    }

    /// Removes a call that waits.
    func dequeue(_ call: ClientCall) {
        call.isQueued = false
        waiting.removeAll { $0 === call }
    }

    /// Sends queued requests on available connections and opens connections for the rest.
    private func serve() {
        let now = NIODeadline.now()
        resolveAgainIfDue(now)
        while let call = waiting.first {
            guard let index = connections.firstIndex(where: { !$0.isProbing && $0.connection.acceptsRequests })
            else { break }
            let pooled = connections[index]
            if pooled.wasUsed, now - pooled.connection.lastReceived > configuration.idleProbeAfter,
                !pooled.connection.hasExchanges
            {
                probe(index)
                continue
            }
            waiting.removeFirst()
            call.isQueued = false
            connections[index].wasUsed = true
            pooled.connection.send(call)
        }
        if !waiting.isEmpty { connectIfNeeded(now) }
    }

    /// Probes an idle connection by PING. An HTTP/1.1 connection has no PING and is closed.
    private func probe(_ index: Int) {
        let pooled = connections[index]
        let connection = pooled.connection
        guard connection.applicationProtocol == .http2 else {
            retire(connection)
            connection.close()
            return
        }
        connections[index].isProbing = true
        let bound = NIOLoopBound((self, connection), eventLoop: eventLoop)
        let deadline = eventLoop.scheduleTask(in: configuration.idleProbeTimeout) {
            let (pool, connection) = bound.value
            pool.retire(connection)
            connection.close()
            pool.serve()
        }
        connection.ping { [weak self] in
            deadline.cancel()
            guard let self, let index = self.index(of: connection) else { return }
            connections[index].isProbing = false
            connections[index].wasUsed = false
            serve()
        }
    }

    private func index(of connection: any ClientConnection) -> Int? {
        connections.firstIndex { $0.connection === connection }
    }

    // MARK: Connections

    private func connectIfNeeded(_ now: NIODeadline) {
        // HTTP/2 needs one connection, HTTP/1.1 one per request. The first connection shows which version applies.
        let isHTTP1 = connections.contains { $0.connection.applicationProtocol == .http1 }
        let wanted = isHTTP1 ? min(waiting.count, configuration.http1ConnectionsMax - connections.count) : 1
        guard connecting < wanted, !connections.contains(where: \.isProbing) else { return }
        guard backOffUntil <= now else {
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            eventLoop.scheduleTask(deadline: backOffUntil) { bound.value.serve() }
            return
        }
        for _ in connecting..<wanted { connect() }
    }

    private func connect() {
        connecting += 1
        resolvedAt = .now()
        let connector = Connector(origin: origin, eventLoop: eventLoop, configuration: configuration)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        connector.connect(events: ConnectionEvents(pool: self)).whenComplete { result in
            bound.value.connected(result)
        }
    }

    private func connected(_ result: Result<Connector.Connected, any Error>) {
        connecting -= 1
        switch result {
        case .success(let made):
            let connection = made.connection.value
            guard !isClosed, made.channel.isActive else {
                made.channel.close(promise: nil)
                break
            }
            connections.append(Pooled(connection: connection, channel: made.channel))
            let bound = NIOLoopBound((self, connection), eventLoop: eventLoop)
            made.channel.closeFuture.whenComplete { _ in
                let (pool, connection) = bound.value
                pool.hasClosed(connection)
            }
            serve()
        case .failure(let failure):
            logger.warning(
                "could not connect", metadata: ["origin": "\(origin.authority)", "reason": "\(failure)"])
            // Queued requests keep waiting for the open or pending connections.
            guard connections.isEmpty, connecting == 0 else { return }
            failWaiting(failure as? ConnectFailure ?? ConnectFailure(.closed, to: origin))
        }
        endIfClosed()
    }

    private func failWaiting(_ failure: ConnectFailure) {
        let calls = waiting
        waiting.removeAll()
        for call in calls {
            call.isQueued = false
            call.fail(.notConnected(failure))
        }
    }

    /// Stops sending requests on this connection.
    func retire(_ connection: any ClientConnection) {
        guard let index = index(of: connection) else { return }
        connections.remove(at: index)
        draining.insert(ObjectIdentifier(connection))
    }

    private func hasClosed(_ connection: any ClientConnection) {
        retire(connection)
        draining.remove(ObjectIdentifier(connection))
        endIfClosed()
        if !isClosed, !waiting.isEmpty { serve() }
    }

    func isFree() {
        if !waiting.isEmpty { serve() }
    }

    func enhanceYourCalmReceived() {
        backOffUntil = .now() + .seconds(1)
    }

    // MARK: Addresses

    /// Resolves the origin again, to detect that its addresses have changed.
    private func resolveAgainIfDue(_ now: NIODeadline) {
        guard !isResolving, !connections.isEmpty, now - resolvedAt > configuration.resolveEvery else { return }
        isResolving = true
        resolvedAt = now
        let (host, port) = Connector.target(of: origin, configuration)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        configuration.lookup.addresses(of: host, port: port, on: eventLoop, within: configuration.resolve)
            .whenComplete { bound.value.resolved($0) }
    }

    private func resolved(_ result: Result<[SocketAddress], any Error>) {
        isResolving = false
        // A failed lookup says nothing about the open connections.
        guard case .success(let addresses) = result else { return }
        for pooled in connections where pooled.channel.remoteAddress.map({ !addresses.contains($0) }) ?? false {
            logger.info("the addresses of the origin have changed", metadata: ["origin": "\(origin.authority)"])
            retire(pooled.connection)
            pooled.connection.drain()
        }
    }

    // MARK: Ending

    func close() -> EventLoopFuture<Void> {
        let promise = closed ?? eventLoop.makePromise()
        guard !isClosed else { return promise.futureResult }
        isClosed = true
        closed = promise
        failWaiting(ConnectFailure(.shuttingDown, to: origin))
        for pooled in connections {
            retire(pooled.connection)
            pooled.connection.drain()
        }
        endIfClosed()
        return promise.futureResult
    }

    private func endIfClosed() {
        guard isClosed, draining.isEmpty, connections.isEmpty, connecting == 0 else { return }
        closed?.succeed(())
    }
}

/// The events that a connection reports to its pool.
package struct ConnectionEvents {
    private weak var pool: ConnectionPool?

    package init() {}

    init(pool: ConnectionPool) {
        self.pool = pool
    }

    /// The connection accepts no more requests.
    func retired(_ connection: any ClientConnection) { pool?.retire(connection) }

    /// The connection can send another request.
    func isFree() { pool?.isFree() }

    /// The peer sent GOAWAY with ENHANCE_YOUR_CALM.
    func enhanceYourCalmReceived() { pool?.enhanceYourCalmReceived() }
}
