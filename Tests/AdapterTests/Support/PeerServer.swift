import Adapters
import NIOCore
import NIOPosix
import Testing

/// Connects to a server on this machine, runs `test`, and closes the connection.
///
/// - Parameter tls: If present, the connection uses TLS, and its handshake is complete when the test begins.
func withConnection(
    to port: Int, tls: TLSContext? = nil,
    _ test: (any Channel, PeerServer.Inbound.AsyncIterator, PeerServer.Outbound) async throws -> Void
) async throws {
    // The wrapped channel must be run even if the handshake fails: dropping it unused is a fatal error.
    let (connection, handshake) = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                let handshake = channel.eventLoop.makePromise(of: Void.self)
                if let tls {
                    try channel.pipeline.syncOperations.addHandlers(
                        [TLSHandler(client: tls, host: "localhost"), HandshakeWaiter(handshake)])
                } else {
                    handshake.succeed()
                }
                let wrapped = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                return (wrapped, handshake.futureResult)
            }
        }
    try await connection.executeThenClose { inbound, outbound in
        try await handshake.get()
        try await test(connection.channel, inbound.makeAsyncIterator(), outbound)
    }
}

/// Succeeds its promise when the TLS handshake is complete.
private final class HandshakeWaiter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<Void>

    init(_ promise: EventLoopPromise<Void>) {
        self.promise = promise
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSHandshake { promise.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(ChannelError.eof)
        context.fireChannelInactive()
    }
}

/// A server that runs one script of the test for each connection.
enum PeerServer {
    typealias Inbound = NIOAsyncChannelInboundStream<ByteBuffer>
    typealias Outbound = NIOAsyncChannelOutboundWriter<ByteBuffer>
    typealias Script = @Sendable (Inbound.AsyncIterator, Outbound) async throws -> Void

    /// Runs one of `scripts` for each connection, in their order, and closes the connection when its script ends. Further
    /// connections are closed at once.
    static func with(
        host: String = "127.0.0.1", port: Int = 0, tls: TLSContext? = nil, _ scripts: [Script],
        _ test: (Int) async throws -> Void
    ) async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Reading starts with the script. The `NIOAsyncChannel` is created there too, because it must not be
            // dropped unused, as happens to a connection that arrives while the listener closes.
            .childChannelOption(.autoRead, value: false)
            .bind(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(TLSHandler(server: tls)) }
                    return channel
                }
            }
        let port = try #require(listener.channel.localAddress?.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await listener.executeThenClose { connections in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        var rest = scripts[...]
                        for try await connection in connections {
                            let script = rest.popFirst()
                            group.addTask {
                                // The test itself checks for peers that close during a script.
                                try? await serve(connection, script)
                            }
                        }
                    }
                }
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await test(port))
            } catch {
                result = .failure(error)
            }
            // Accepted connections are served until their clients close them.
            try await listener.channel.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    private static func serve(_ channel: any Channel, _ script: Script?) async throws {
        let connection = try await channel.eventLoop.submit {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }.get()
        try await connection.executeThenClose { inbound, outbound in
            try await channel.setOption(.autoRead, value: true).get()
            try await script?(inbound.makeAsyncIterator(), outbound)
        }
    }

    /// A script for an HTTP/2 connection whose preface has been read.
    static func frames(_ script: @escaping @Sendable (inout FramePeer) async throws -> Void) -> Script {
        { inbound, outbound in
            var peer = FramePeer(inbound: inbound, outbound: outbound)
            try await peer.greet()
            try await script(&peer)
        }
    }

    static func text(_ script: @escaping @Sendable (inout TextPeer) async throws -> Void) -> Script {
        { inbound, outbound in
            var peer = TextPeer(inbound: inbound, outbound: outbound)
            try await script(&peer)
        }
    }
}
