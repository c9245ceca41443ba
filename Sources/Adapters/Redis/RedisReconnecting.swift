import Domain
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

    /// A connection that lasted this long was a good one: the next attempt follows soon.
    private static let stableTime = Duration.seconds(5)

    /// - Parameter changed: Called in the order of the changes.
    func run(_ changed: @Sendable (Change) -> Void) async {
        let connector = RedisConnector(configuration: configuration)
        var backOff = RedisBackOff(configuration)
        var random = SystemRandomNumberGenerator()
        var attempt = 0
        while !Task.isCancelled {
            let address = configuration.addresses[attempt % configuration.addresses.count]
            switch await connector.connect(to: address, on: group.next()) {
            case .success(let link):
                let began = time.now
                changed(.connected(link))
                let problem = await link.untilEnd()
                changed(.disconnected(problem, address))
                if time.now - began >= Self.stableTime { backOff.reset() }
                // Another address may be the new primary.
                if problem == .replica { attempt += 1 }
            case .failure(let problem):
                if !Task.isCancelled { changed(.disconnected(problem, address)) }
                attempt += 1
            }
            try? await time.sleep(until: time.now + backOff.next(using: &random))
        }
    }

    /// Runs until a graceful shutdown, the cancellation of the task, or `stop`.
    func run(until stop: RedisWait<Void>, _ changed: @escaping @Sendable (Change) -> Void) async {
        await withTaskGroup { tasks in
            tasks.addTask { await run(changed) }
            tasks.addTask { await stop.value(orWhenCancelled: ()) }
            await tasks.next()
            tasks.cancelAll()
        }
    }
}
