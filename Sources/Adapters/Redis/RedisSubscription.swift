package import Domain
package import Logging
import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Receives the messages of channels on a separate connection, and reconnects when the connection ends.
///
/// The connection sends PINGs, so that a peer that is gone is noticed within two seconds.
///
/// In a cluster, any node passes on the messages of all nodes. The messages of a node that fails may not reach the others, so
/// the subscription counts as lost, and is made again, when the client loses a node.
package final class RedisSubscription: Service {
    package enum Event: Sendable, Equatable {
        /// From now on, every message is received. `clientID` is the id of this connection, for `CLIENT TRACKING`; nil if
        /// the server does not permit to ask for it.
        case connected(clientID: Int64?)
        /// A message. The payload of `__redis__:invalidate` is an array of keys, or null for all keys.
        case message(channel: [UInt8], payload: RedisValue)
        /// Messages may be missed until the next `connected`.
        case lost
    }

    private enum Phase {
        case disconnected
        /// Waits for the confirmation of this number of channels.
        case subscribing(missing: Int, clientID: Int64?)
        case subscribed
    }

    private let client: RedisClient?
    private let configuration: RedisConfiguration
    private let channels: [[UInt8]]
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let logger: Logger
    private let receive: @Sendable (Event) -> Void
    private let phase = Mutex(Phase.disconnected)
    private let link = Mutex<RedisLink?>(nil)
    private let stop = RedisWait<Void>()

    /// - Parameters:
    ///   - channels: At least one name.
    ///   - receive: Called with one event after the other, on an event loop or a task. Must not block.
    package convenience init(
        _ configuration: RedisConfiguration, channels: [[UInt8]], group: MultiThreadedEventLoopGroup,
        time: any TimeSource, logger: Logger, receive: @escaping @Sendable (Event) -> Void
    ) {
        self.init(
            configuration, nil, channels: channels, group: group, time: time, logger: logger, receive: receive)
    }

    /// - Parameter client: Its server or cluster has the channels.
    package convenience init(
        _ client: RedisClient, channels: [[UInt8]], group: MultiThreadedEventLoopGroup, time: any TimeSource,
        logger: Logger, receive: @escaping @Sendable (Event) -> Void
    ) {
        self.init(
            client.configuration, client, channels: channels, group: group, time: time, logger: logger,
            receive: receive)
        client.onLostNode { [weak self] in self?.link.withLock { $0 }?.close() }
    }

    private init(
        _ configuration: RedisConfiguration, _ client: RedisClient?, channels: [[UInt8]],
        group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger,
        receive: @escaping @Sendable (Event) -> Void
    ) {
        precondition(!channels.isEmpty)
        self.client = client
        self.configuration = configuration
        self.channels = channels
        self.group = group
        self.time = time
        self.logger = logger
        self.receive = receive
    }

    /// Receives messages until graceful shutdown or `close`.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var connecting = RedisReconnecting(configuration: configuration, group: group, time: time)
            connecting.knownAddresses = { [client] in client?.nodeAddresses ?? [] }
            await connecting.run(until: stop) { self.changed($0) }
        }
    }

    /// Ends `run`.
    package func close() {
        stop.resolve(())
    }

    private func changed(_ change: RedisReconnecting.Change) {
        switch change {
        case .connected(let link):
            self.link.withLock { $0 = link }
            let wait = RedisWait<RedisConnection.Replies>()
            let command = RedisCommand("CLIENT", "ID")
            let batch = RedisConnection.Batch(
                bytes: RedisCommand.encoded([command]), count: 1, deadline: .now() + configuration.connect, wait: wait
            ) {
                let clientID: Int64? =
                    if case .success(let replies)? = wait.result { replies[0].integer } else { nil }
                self.subscribe(link, clientID)
            }
            link.channel.eventLoop.execute { link.connection.value.send(batch) }
        case .disconnected(let problem, _):
            link.withLock { $0 = nil }
            let wasConnected = phase.withLock { phase in
                defer { phase = .disconnected }
                if case .subscribed = phase { return true } else { return false }
            }
            guard wasConnected else { return }
            logger.debug("the subscription to Redis is lost", metadata: ["reason": "\(problem)"])
            receive(.lost)
        }
    }

    private func subscribe(_ link: RedisLink, _ clientID: Int64?) {
        phase.withLock { $0 = .subscribing(missing: channels.count, clientID: clientID) }
        link.connection.value.subscribe(RedisCommand("SUBSCRIBE", channels)) { value in
            if !self.received(value) { link.connection.value.close(.malformed) }
        }
    }

    /// - Returns: Whether the value is one that a subscription receives.
    private func received(_ value: RedisValue) -> Bool {
        guard case .array(let parts) = value, let kind = parts.first?.string else { return false }
        switch (kind, parts.count) {
        case ("message", 3):
            guard let channel = parts[1].bytes else { return false }
            receive(.message(channel: channel, payload: parts[2]))
        case ("subscribe", 3):
            let connected: Event? = phase.withLock { phase in
                guard case .subscribing(let missing, let clientID) = phase else { return nil }
                phase = missing == 1 ? .subscribed : .subscribing(missing: missing - 1, clientID: clientID)
                return missing == 1 ? .connected(clientID: clientID) : nil
            }
            if let connected { receive(connected) }
        case ("pong", _): break
        case _: return false
        }
        return true
    }
}
