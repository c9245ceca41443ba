import Adapters
import ServiceLifecycle

/// The connection to the Redis that replicas share, if there is one. Starts before the parts that use it, and ends after
/// them.
struct RedisPart: ApplicationPart {
    let client: RedisClient?

    /// - Throws: `ConfigurationProblem` for a file that cannot be used. Redis itself need not be there.
    init(_ settings: ServeSettings, _ context: ApplicationContext) throws(ConfigurationProblem) {
        guard let redis = settings.redis else {
            client = nil
            return
        }
        client = RedisClient(
            try redis.configuration(), group: context.group, time: context.time, metrics: context.metrics,
            logger: context.logger)
    }

    var services: [any Service] { client.map { [$0] } ?? [] }

    var checks: [Health.Check] {
        guard let client else { return [] }
        return [Health.Check("redis") { client.connection.finding }]
    }

    func close() async {
        await client?.close()
    }
}

extension RedisClient.State {
    /// Reads are answered without Redis, so a replica without it stays ready.
    fileprivate var finding: Health.Finding {
        switch self {
        case .connected: .good
        case .disconnected(let reason, _):
            .degraded(
                "Redis cannot be used, so changes are refused: \(reason)",
                remedy:
                    "check \(Settings.state.url.key), \(Settings.state.passwordFile.key) and the server; the service "
                    + "connects by itself")
        }
    }
}
