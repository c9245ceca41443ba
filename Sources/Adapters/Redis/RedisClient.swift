package import Domain
package import Logging
package import Metrics
import NIOCore
package import NIOPosix
import ServiceLifecycle
import Synchronization

/// Calls Redis over one connection, and reconnects when the connection ends.
///
/// Commands are pipelined: each is written at once, and the replies arrive in order. A call fails at once while there is no
/// connection. A call never waits longer than its limit, and ends when its task is cancelled.
package final class RedisClient: Service {
    /// The state of the connection, for checks.
    package enum State: Sendable, Equatable {
        case connected(since: Moment)
        /// `reason` is for people, and contains no passwords.
        case disconnected(reason: String, since: Moment)
    }

    private struct Connection {
        var link: RedisLink?
        var state: State
        var isClosed = false
        /// The tasks that wait for a connection.
        var waits: [RedisWait<Bool>] = []
    }

    /// The commands that wait for replies.
    private struct Queue {
        var commands = 0
        var bytes = 0
    }

    package let configuration: RedisConfiguration
    private let group: MultiThreadedEventLoopGroup
    private let time: any TimeSource
    private let metrics: RedisMetrics
    private let logger: Logger
    private let connected: Mutex<Connection>
    private let queue = Mutex(Queue())
    private let stop = RedisWait<Void>()
    private let lastReason = Mutex<String?>(nil)

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
        connected = Mutex(
            Connection(state: .disconnected(reason: "no connection has been made yet", since: time.now)))
    }

    // MARK: Connection

    /// Connects, and reconnects with back-off and jitter, until graceful shutdown or `close`.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            let connecting = RedisReconnecting(configuration: configuration, group: group, time: time)
            await connecting.run(until: stop) { self.changed($0) }
        }
        await close()
    }

    /// Closes the connection. Later calls throw `closed`.
    package func close() async {
        stop.resolve(())
        let (link, waits) = connected.withLock { connected in
            connected.isClosed = true
            defer { connected.waits = [] }
            return (connected.link, connected.waits)
        }
        for wait in waits { wait.resolve(false) }
        guard let link else { return }
        link.close()
        _ = await link.untilEnd()
    }

    package var connection: State { connected.withLock { $0.state } }

    package var isConnected: Bool { connected.withLock { $0.link != nil } }

    /// Returns true as soon as there is a connection; false after `limit`, after `close`, or if the task is cancelled.
    package func waitUntilConnected(within limit: Duration) async -> Bool {
        let wait = RedisWait<Bool>()
        let isConnected: Bool? = connected.withLock { connected in
            if connected.link != nil { return true }
            if connected.isClosed { return false }
            connected.waits.append(wait)
            return nil
        }
        if let isConnected { return isConnected }
        let timeout = group.next().scheduleTask(in: TimeAmount(limit)) { _ = wait.resolve(false) }
        let result = await wait.value(orWhenCancelled: false)
        timeout.cancel()
        connected.withLock { $0.waits.removeAll { $0 === wait } }
        return result
    }

    private func changed(_ change: RedisReconnecting.Change) {
        switch change {
        case .connected(let link):
            let waits = connected.withLock { connected in
                connected.link = link
                connected.state = .connected(since: time.now)
                defer { connected.waits = [] }
                return connected.waits
            }
            metrics.becameConnected()
            lastReason.withLock { $0 = nil }
            logger.info("connected to Redis", metadata: ["address": "\(LogText.escaped(link.address.text))"])
            for wait in waits { wait.resolve(true) }
        case .disconnected(let problem, let address):
            let reason = "\(problem)"
            let isClosed = connected.withLock { connected in
                connected.link = nil
                var began = time.now
                if case .disconnected(_, let since) = connected.state { began = since }
                connected.state = .disconnected(reason: reason, since: began)
                return connected.isClosed
            }
            metrics.becameDisconnected()
            let before = lastReason.withLock { last in
                defer { last = reason }
                return last
            }
            guard !isClosed, problem != .closed, before != reason else { return }
            logger.warning(
                "Redis cannot be used",
                metadata: [
                    "address": "\(LogText.escaped(address.text))", "reason": "\(LogText.escaped(reason))",
                ])
        }
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

    private func send(
        _ commands: [RedisCommand], within limit: Duration
    ) async throws(RedisFailure) -> [RedisValue] {
        guard !Task.isCancelled else { throw .cancelled }
        let (current, isClosed) = connected.withLock { ($0.link, $0.isClosed) }
        guard !isClosed else { throw .closed }
        guard let link = current else { throw .unavailable }
        let deadline = NIODeadline.now() + TimeAmount(limit)
        let bytes = RedisCommand.encoded(commands)
        let (count, byteCount) = (commands.count, bytes.readableBytes)
        let fits = queue.withLock { queue in
            guard queue.commands + count <= configuration.queueCommandsMax,
                queue.bytes + byteCount <= configuration.queueBytesMax
            else { return false }
            queue.commands += count
            queue.bytes += byteCount
            return true
        }
        guard fits else { throw .overloaded }
        let batch = RedisConnection.Batch(
            bytes: bytes, count: count, deadline: deadline, wait: RedisWait()
        ) {
            self.queue.withLock { queue in
                queue.commands -= count
                queue.bytes -= byteCount
            }
        }
        link.channel.eventLoop.execute { link.connection.value.send(batch) }
        return try await batch.wait.value(orWhenCancelled: .failure(.cancelled)).get()
    }
}
