import Domain
import NIOCore
import NIOPosix

/// Connects to Redis, and again whenever the connection has ended, until the task is cancelled.
struct RedisReconnecting: Sendable {
    enum Change: Sendable {
        case connected(RedisLink)
        /// The connection ended, or an attempt failed.
        case disconnected(RedisProblem, RedisConfiguration.Address)
    }

    let configuration: RedisConfiguration
    let group: MultiThreadedEventLoopGroup
    let time: any TimeSource

    /// Addresses that are tried besides those of the configuration.
    var knownAddresses: @Sendable () -> [RedisConfiguration.Address] = { [] }

    /// A connection that lasted this long was a good one: the next attempt follows soon.
    private static let stableTime = Duration.seconds(5)

    /// - Parameters:
    ///   - failed: Called with each attempt that fails.
    ///   - use: Uses a connection until it has ended. Returns why it has ended.
    func run(
        failed: @Sendable (RedisProblem, RedisConfiguration.Address) -> Void,
        use: @Sendable (RedisLink) async -> RedisProblem
    ) async {
        var backOff = RedisBackOff(configuration)
        var random = SystemRandomNumberGenerator()
        var attempt = 0
        while !Task.isCancelled {
            let (result, address) = await connect(attempt)
            switch result {
            case .success(let link):
                let began = time.now
                let problem = await use(link)
                if time.now - began >= Self.stableTime { backOff.reset() }
                // Another address may be the new primary, or another node of the cluster.
                if problem == .replica || link.slots != nil { attempt += 1 }
            case .failure(let problem):
                if !Task.isCancelled { failed(problem, address) }
                attempt += 1
            }
            try? await time.sleep(until: time.now + backOff.next(using: &random))
        }
    }

    private func connect(
        _ attempt: Int
    ) async -> (Result<RedisLink, RedisProblem>, RedisConfiguration.Address) {
        let eventLoop = group.next()
        let addresses = configuration.addresses + knownAddresses()
        var address = addresses[attempt % addresses.count]
        if let primary = configuration.sentinelPrimary {
            switch await RedisSentinels(configuration: configuration).address(of: primary, attempt, on: eventLoop) {
            case (.success(let found), _): address = found
            case (.failure(let problem), let sentinel): return (.failure(problem), sentinel)
            }
        }
        return (await RedisConnector(configuration: configuration).connect(to: address, on: eventLoop), address)
    }

    /// - Parameter changed: Called in the order of the changes.
    func run(_ changed: @Sendable (Change) -> Void) async {
        await run {
            changed(.disconnected($0, $1))
        } use: { link in
            changed(.connected(link))
            let problem = await link.untilEnd()
            changed(.disconnected(problem, link.address))
            return problem
        }
    }

    /// Runs until the cancellation of the task, or `stop`.
    func run(until stop: RedisWait<Void>, _ changed: @escaping @Sendable (Change) -> Void) async {
        await stop.limit { await run(changed) }
    }
}

extension RedisWait<Void> {
    /// Runs `body`, and cancels it when this wait is resolved.
    func limit(_ body: @escaping @Sendable () async -> Void) async {
        await withTaskGroup { tasks in
            tasks.addTask { await body() }
            tasks.addTask { await self.value(orWhenCancelled: ()) }
            await tasks.next()
            tasks.cancelAll()
        }
    }
}
