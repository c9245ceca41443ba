import Adapters
import NIOCore
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// Health, the operations listener, and notifications of systemd.
struct OperationsPart: ApplicationPart {
    let health: Health
    let systemd: SystemdNotifier?
    private let server: HTTPServer

    var address: SocketAddress { server.address }

    /// - Parameter checks: The checks of all other parts.
    /// - Throws: `ConfigurationProblem` if the listener cannot be opened.
    init(_ settings: ServeSettings, checks: [Health.Check], _ context: ApplicationContext) async throws {
        let health = Health(
            checks: checks, loops: Array(context.group.makeIterator()), clock: context.opsGroup.next(),
            time: context.time)
        self.health = health
        server = try await ConfigurationProblem.naming(host: Settings.ops.host, port: Settings.ops.port) {
            try await HTTPServer(
                host: settings.opsHost, port: settings.opsPort, group: context.opsGroup,
                handler: Operations(health: health, metrics: context.metrics), logger: context.logger)
        }
        systemd = SystemdNotifier(
            environment: settings.environment, processID: getpid(), group: context.opsGroup, logger: context.logger
        ) { health.isAlive }
    }

    var services: [any Service] {
        let services: [any Service] = [server, health]
        guard let systemd else { return services }
        return [systemd] + services
    }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: health)
    }
}
