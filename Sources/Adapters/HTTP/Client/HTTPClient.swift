package import NIOCore
package import NIOPosix
import Synchronization

/// Where requests go: a scheme, a host and a port (RFC 9110, 4.3.1).
package struct Origin: Sendable, Equatable {
    package enum Scheme: String, Sendable { case http, https }

    package let scheme: Scheme
    package let host: String
    package let port: Int

    package init(scheme: Scheme, host: String, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// As it stands in `:authority`: without the port that the scheme implies, an IPv6 address in brackets.
    package var authority: String {
        let host = host.contains(":") ? "[\(host)]" : host
        let defaultPort = scheme == .https ? 443 : 80
        return port == defaultPort ? host : "\(host):\(port)"
    }
}

/// Sends requests to one origin over one HTTP/2 connection, made when it is first needed and again when it is gone.
package final class HTTPClient: Sendable {
    private enum State {
        case idle
        case connecting(EventLoopFuture<ClientConnection>)
        case connected(ClientConnection)
        case closed
    }

    package let origin: Origin
    private let eventLoop: any EventLoop
    private let limits: Limits
    private let connectTimeout: TimeAmount
    private let state = Mutex(State.idle)

    package init(origin: Origin, group: MultiThreadedEventLoopGroup, limits: Limits, connectTimeout: TimeAmount) {
        self.origin = origin
        eventLoop = group.next()
        self.limits = limits
        self.connectTimeout = connectTimeout
    }

    /// Sends `request` and waits for the whole response.
    ///
    /// - Parameters:
    ///   - bodyBytesMax: The largest response body taken.
    ///   - timeout: From when the request is handed to the connection to the end of the response.
    /// - Throws: `HTTPFailure`; its `isUnprocessed` says whether the request may be sent again whatever it does.
    package func exchange(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount
    ) async throws(HTTPFailure) -> ClientResponse {
        let connection = try await connection()
        return try await connection.exchange(request, bodyBytesMax: bodyBytesMax, timeout: timeout)
    }

    /// Ends the connection once the requests on it have ended, and makes no other.
    package func close() async {
        let connection = state.withLock { state -> ClientConnection? in
            defer { state = .closed }
            return if case .connected(let connection) = state { connection } else { nil }
        }
        await connection?.close()
    }

    private enum Step {
        case use(ClientConnection)
        case wait(EventLoopFuture<ClientConnection>)
        case connect(EventLoopPromise<ClientConnection>)
        case refuse
    }

    private func connection() async throws(HTTPFailure) -> ClientConnection {
        let step = state.withLock { state -> Step in
            switch state {
            case .connected(let connection): return .use(connection)
            case .connecting(let future): return .wait(future)
            case .closed: return .refuse
            case .idle:
                let promise = eventLoop.makePromise(of: ClientConnection.self)
                state = .connecting(promise.futureResult)
                return .connect(promise)
            }
        }
        switch step {
        case .use(let connection): return connection
        case .refuse: throw .notConnected
        case .wait(let future): return try await wait(for: future)
        case .connect(let promise):
            connect(promise)
            return try await wait(for: promise.futureResult)
        }
    }

    private func wait(for future: EventLoopFuture<ClientConnection>) async throws(HTTPFailure) -> ClientConnection {
        do {
            return try await future.get()
        } catch {
            throw .notConnected
        }
    }

    /// Not under the lock: on its own loop a connection may be there, or lost, before this returns.
    private func connect(_ promise: EventLoopPromise<ClientConnection>) {
        let limits = limits
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark,
                value: .init(low: limits.connectionWriteBytesMax / 4, high: limits.connectionWriteBytesMax)
            )
            // Before it connects: what the server sends first must find its reader.
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = HTTP2Handler(
                        role: .client(onRetired: { self.retire(channel) }), limits: limits,
                        executor: EventLoopExecutor(channel.eventLoop))
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let connected = bootstrap.connect(host: origin.host, port: origin.port).flatMapThrowing { channel in
            let handler = try channel.pipeline.syncOperations.handler(type: HTTP2Handler.self)
            return ClientConnection(channel: channel, handler: handler)
        }
        connected.whenComplete { result in
            let unwanted = self.state.withLock { state -> ClientConnection? in
                switch (state, result) {
                case (.connecting, .success(let connection)) where connection.isActive:
                    state = .connected(connection)
                    return nil
                case (.connecting, _):
                    state = .idle
                    return nil
                case (.closed, .success(let connection)): return connection
                case (.idle, _), (.connected, _), (.closed, .failure): return nil
                }
            }
            unwanted?.abandon()
            promise.completeWith(result)
        }
    }

    /// The connection of `channel` takes no more requests: the next one makes another.
    private func retire(_ channel: any Channel) {
        state.withLock { state in
            if case .connected(let connection) = state, connection.belongs(to: channel) { state = .idle }
        }
    }
}

/// A connection to an origin, usable from anywhere.
private final class ClientConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<HTTP2Handler>

    init(channel: any Channel, handler: HTTP2Handler) {
        self.channel = channel
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
    }

    var isActive: Bool { channel.isActive }

    func belongs(to channel: any Channel) -> Bool { self.channel === channel }

    func exchange(
        _ request: ClientRequest, bodyBytesMax: Int, timeout: TimeAmount
    ) async throws(HTTPFailure) -> ClientResponse {
        let handler = handler
        // Set on the loop when the request is sent, read on the loop when its task is cancelled.
        let sent = NIOLoopBoundBox<Exchange?>.makeBoxSendingValue(nil, eventLoop: channel.eventLoop)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                handler.eventLoop.runInLoop {
                    let call = ClientCall(bodyBytesMax: bodyBytesMax, continuation: continuation)
                    sent.value = handler.value.send(request, call: call, timeout: timeout)
                }
            }
        } onCancel: {
            handler.eventLoop.execute {
                guard let exchange = sent.value else { return }
                exchange.connection?.fail(exchange, .cancelled)
            }
        }
        return try result.get()
    }

    /// Nobody will use it: its client was closed while it was being made.
    func abandon() {
        channel.close(promise: nil)
    }

    func close() async {
        handler.eventLoop.execute { self.handler.value.drain() }
        try? await channel.closeFuture.get()
    }
}
