import Adapters
import ServiceLifecycle

/// The connection to the Redis that replicas share, if there is one. Starts before the parts that use it, and ends after
/// them.
struct RedisPart: ApplicationPart {
    let client: RedisClient?

    /// The ledgers of Zoom's rate limits.
    let rates: RedisSharedRates?

    /// - Throws: `ConfigurationProblem` for a file that cannot be used. Redis itself need not be there.
    init(_ settings: ServeSettings, _ context: ApplicationContext) throws(ConfigurationProblem) {
        guard let redis = settings.redis else {
            (client, rates) = (nil, nil)
            return
        }
        let client = RedisClient(
            try redis.configuration(), group: context.group, time: context.time, metrics: context.metrics,
            logger: context.logger)
        self.client = client
        rates = RedisSharedRates(client, time: context.time)
    }

    var services: [any Service] {
        let services: [(any Service)?] = [client, rates]
        return services.compactMap(\.self)
    }

    var checks: [Health.Check] {
        guard let client else { return [] }
        return [Health.Check("redis") { client.connection.finding }]
    }

    func registerStatus(in status: StatusCollector) {
        guard let client, let rates else { return }
        status.collect { status in
            status.store = .redis(isConnected: client.isConnected, replicas: rates.replicas)
        }
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
        case .partlyConnected(let reason, _):
            .degraded(
                "a part of the Redis cluster cannot be used, so some changes are refused, and each replica may use its own "
                    + "share of Zoom's rate: \(reason)",
                remedy: "check the nodes of the cluster; the service connects by itself")
        case .disconnected(let reason, _):
            .degraded(
                "Redis cannot be used, so changes are refused and each replica uses its own share of Zoom's rate: \(reason)",
                remedy:
                    "check \(Settings.state.url.key), \(Settings.state.passwordFile.key) and the server; the service "
                    + "connects by itself")
        }
    }
}
