package import Domain
package import Logging
package import Metrics
import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Calls Redis over one connection, or over one connection to each node of a cluster, and reconnects when a connection ends.
///
/// Commands are pipelined: each is written at once, and the replies arrive in order. A call fails at once while there is no
/// connection. A call never waits longer than its limit, and ends when its task is cancelled. A server says itself whether it
/// belongs to a cluster.
package final class RedisClient: Service {
    /// The state of the connection, for checks.
    package enum State: Sendable, Equatable {
        case connected(since: Moment)
        /// Some nodes of a cluster cannot be used.
        case partlyConnected(reason: String, since: Moment)
        /// `reason` is for people, and contains no passwords.
        case disconnected(reason: String, since: Moment)
    }

    private struct Connection {
        /// The connection to a server that belongs to no cluster.
        var link: RedisLink?
        var cluster: RedisCluster?
        var state: State
        var isClosed = false

        /// How many connections have been made or lost.
        var changes = 0

        /// The last reported problem of each address.
        var problems: [RedisConfiguration.Address: RedisProblem] = [:]

        /// The tasks that wait for a connection, to the node of a slot or to all nodes.
        var waits: [(slot: Int?, wait: RedisWait<Bool>)] = []

        func isConnected(to slot: Int?) -> Bool {
            guard let cluster else { return link != nil }
            return slot.map { cluster.isConnected(to: $0) } ?? cluster.isComplete
        }
    }

    package let configuration: RedisConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let metrics: RedisMetrics
    private let logger: Logger
    private let connected: Mutex<Connection>
    private let queue: RedisQueue
    private let stop = RedisWait<Void>()
    private let lostConnection = Mutex<[@Sendable () -> Void]>([])

    package init(
        _ configuration: RedisConfiguration, group: MultiThreadedEventLoopGroup, time: any TimeSource,
        metrics: any MetricsFactory, logger: Logger
    ) {
        precondition(!configuration.addresses.isEmpty)
        self.configuration = configuration
        self.group = group
        self.time = time
        self.metrics = RedisMetrics(metrics)
        self.logger = logger
        queue = RedisQueue(configuration)
        connected = Mutex(
            Connection(state: .disconnected(reason: "no connection has been made yet", since: time.now)))
    }

    // MARK: Connection

    /// Connects, and reconnects with back-off and jitter, until graceful shutdown or `close`.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await stop.limit { await self.connect() }
        }
        await close()
    }

    private func connect() async {
        let connecting = RedisReconnecting(configuration: configuration, group: group, time: time)
        await connecting.run {
            changed(.disconnected($0, $1))
        } use: { link in
            if let slots = link.slots {
                await use(slots, link)
                return .closedByPeer
            }
            changed(.connected(link))
            let problem = await link.untilEnd()
            changed(.disconnected(problem, link.address))
            return problem
        }
    }

    /// Uses a cluster until the task is cancelled, or it is a cluster no longer.
    ///
    /// - Parameter link: The connection that has reported the slots. It is closed.
    private func use(_ slots: RedisSlotMap, _ link: RedisLink) async {
        link.close()
        let cluster = RedisCluster(configuration, slots, group: group, time: time) { change in
            if let change { self.changed(change) } else { self.update() }
        }
        connected.withLock { $0.cluster = cluster }
        await cluster.run()
        connected.withLock { $0.cluster = nil }
        update()
    }

    /// Closes the connections. Later calls throw `closed`.
    package func close() async {
        stop.resolve(())
        let (links, waits) = connected.withLock { connected in
            connected.isClosed = true
            defer { connected.waits = [] }
            return (connected.link.map { [$0] } ?? connected.cluster?.links ?? [], connected.waits)
        }
        for (_, wait) in waits { wait.resolve(false) }
        for link in links {
            link.close()
            _ = await link.untilEnd()
        }
    }

    package var connection: State { connected.withLock { $0.state } }

    /// Grows with each connection that was made or lost.
    var connectionChanges: Int { connected.withLock { $0.changes } }

    /// Whether there is a connection, to at least one node of a cluster.
    package var isConnected: Bool {
        switch connection {
        case .connected, .partlyConnected: true
        case .disconnected: false
        }
    }

    /// Whether a pipeline may be run by several servers, each of which has its own clock.
    package var isCluster: Bool { connected.withLock { $0.cluster != nil } }

    /// The nodes of the cluster; empty without one.
    var nodeAddresses: [RedisConfiguration.Address] { connected.withLock { $0.cluster }?.knownAddresses ?? [] }

    /// Calls `body` after each lost connection to a node of a cluster.
    func onLostNode(_ body: @escaping @Sendable () -> Void) { lostConnection.withLock { $0.append(body) } }

    /// Returns true as soon as there is a connection; false after `limit`, after `close`, or if the task is cancelled.
    ///
    /// - Parameter key: In a cluster, the connection is that to the node of this key; nil for the connections to all nodes.
    package func waitUntilConnected(to key: [UInt8]? = nil, within limit: Duration) async -> Bool {
        let slot = key.map { RedisSlotMap.slot(of: $0) }
        let wait = RedisWait<Bool>()
        let isConnected: Bool? = connected.withLock { connected in
            if connected.isConnected(to: slot) { return true }
            if connected.isClosed { return false }
            connected.waits.append((slot, wait))
            return nil
        }
        if let isConnected { return isConnected }
        let timeout = group.next().scheduleTask(in: TimeAmount(limit)) { _ = wait.resolve(false) }
        let result = await wait.value(orWhenCancelled: false)
        timeout.cancel()
        connected.withLock { $0.waits.removeAll { $0.wait === wait } }
        return result
    }

    private func changed(_ change: RedisReconnecting.Change) {
        switch change {
        case .connected(let link):
            let isNode = link.slots != nil
            connected.withLock { connected in
                if !isNode { connected.link = link }
                connected.changes += 1
                connected.problems[link.address] = nil
            }
            metrics.countConnection()
            update()
            logger.info("connected to Redis", metadata: ["address": "\(LogText.escaped(link.address.text))"])
        case .disconnected(let problem, let address):
            let (isClosed, before, isNode) = connected.withLock { connected in
                connected.link = nil
                connected.changes += 1
                // Addresses of former nodes are forgotten.
                if connected.problems.count > Self.problemsMax { connected.problems = [:] }
                let before = connected.problems.updateValue(problem, forKey: address)
                return (connected.isClosed, before, connected.cluster != nil)
            }
            update(problem)
            if isNode, before == nil { for body in lostConnection.withLock({ $0 }) { body() } }
            guard !isClosed, problem != .closed, problem != before else { return }
            logger.warning(
                isNode ? "a node of the Redis cluster cannot be used" : "Redis cannot be used",
                metadata: [
                    "address": "\(LogText.escaped(address.text))", "reason": "\(LogText.escaped("\(problem)"))",
                ])
        }
    }

    private static let problemsMax = 1000

    /// Derives the state from the connections, and ends waits.
    ///
    /// - Parameter problem: Why the last connection ended or could not be made.
    private func update(_ problem: RedisProblem? = nil) {
        let (isConnected, waits) = connected.withLock { connected in
            let reason = connected.cluster?.problem ?? problem.map { "\($0)" } ?? "there is no connection"
            switch (connected.state, connected.isConnected(to: nil), connected.cluster?.links.isEmpty ?? true) {
            case (.connected, true, _): break
            case (_, true, _): connected.state = .connected(since: time.now)
            case (.partlyConnected(_, let since), false, false):
                connected.state = .partlyConnected(reason: reason, since: since)
            case (_, false, false): connected.state = .partlyConnected(reason: reason, since: time.now)
            case (.disconnected(_, let since), false, true):
                connected.state = .disconnected(reason: reason, since: since)
            case (_, false, true): connected.state = .disconnected(reason: reason, since: time.now)
            }
            let waits = connected.waits
            connected.waits = waits.filter { !connected.isConnected(to: $0.slot) }
            return (connected.isConnected(to: nil), waits.filter { connected.isConnected(to: $0.slot) })
        }
        metrics.setConnected(isConnected)
        for (_, wait) in waits { wait.resolve(true) }
    }

    // MARK: Calls

    /// Sends a command and returns its reply.
    ///
    /// - Parameter limit: The maximum time of the call.
    /// - Throws: `refused` for an error reply.
    package func call(
        _ command: RedisCommand, within limit: Duration
    ) async throws(RedisFailure) -> RedisValue {
        let replies = try await call([command], within: limit)
        if case .error(let error) = replies[0] { throw .refused(error) }
        return replies[0]
    }

    /// Sends commands in one write and returns their replies, in their order. An error reply of one of several commands is
    /// returned as a value.
    package func call(
        _ commands: [RedisCommand], within limit: Duration
    ) async throws(RedisFailure) -> [RedisValue] {
        guard !commands.isEmpty else { return [] }
        let began = ContinuousClock.now
        do throws(RedisFailure) {
            let replies = try await send(commands, within: limit)
            let refused = replies.count { if case .error = $0 { true } else { false } }
            if refused > 0 { metrics.count(.refused, refused) }
            if refused < replies.count { metrics.count(.done, replies.count - refused) }
            metrics.recordDuration(ContinuousClock.now - began)
            return replies
        } catch {
            metrics.count(RedisMetrics.CallResult(error), commands.count)
            metrics.recordDuration(ContinuousClock.now - began)
            throw error
        }
    }

    /// Runs a script. Sends its source only if the server does not have it.
    package func run(
        _ script: RedisScript, keys: [[UInt8]], arguments: [[UInt8]], within limit: Duration
    ) async throws(RedisFailure) -> RedisValue {
        let end = time.now + limit
        do throws(RedisFailure) {
            return try await call(script.command(isCached: true, keys: keys, arguments: arguments), within: limit)
        } catch .refused(let reply) where reply.code == "NOSCRIPT" {
            let rest = end - time.now
            guard rest > .zero else { throw .unavailable }
            return try await call(script.command(isCached: false, keys: keys, arguments: arguments), within: rest)
        } catch {
            throw error
        }
    }

    /// Sends commands to the server, or to each node of a cluster that has slots and is connected.
    ///
    /// - Returns: The replies of each server.
    package func callEachServer(
        _ commands: [RedisCommand], within limit: Duration
    ) async throws(RedisFailure) -> [[RedisValue]] {
        guard let cluster = connected.withLock({ $0.cluster }) else { return [try await call(commands, within: limit)] }
        let deadline = NIODeadline.now() + TimeAmount(limit)
        var replies: [[RedisValue]] = []
        for link in cluster.links { replies.append(try await send(commands, to: link, deadline)) }
        return replies
    }

    private func send(
        _ commands: [RedisCommand], within limit: Duration
    ) async throws(RedisFailure) -> [RedisValue] {
        guard !Task.isCancelled else { throw .cancelled }
        let (current, cluster, isClosed) = connected.withLock { ($0.link, $0.cluster, $0.isClosed) }
        guard !isClosed else { throw .closed }
        let deadline = NIODeadline.now() + TimeAmount(limit)
        if let cluster { return try await cluster.call(commands, deadline: deadline, queue) }
        guard let link = current else { throw .unavailable }
        let replies = try await send(commands, to: link, deadline)
        if replies.contains(where: { if case .error(let error) = $0 { error.code == "MOVED" } else { false } }) {
            link.close(.hiddenCluster)
        }
        return replies
    }

    private func send(
        _ commands: [RedisCommand], to link: RedisLink, _ deadline: NIODeadline
    ) async throws(RedisFailure) -> [RedisValue] {
        guard let batch = queue.batch(commands, deadline: deadline) else { throw .overloaded }
        link.send(batch)
        return try await batch.wait.value(orWhenCancelled: .failure(.cancelled)).get()
    }
}
