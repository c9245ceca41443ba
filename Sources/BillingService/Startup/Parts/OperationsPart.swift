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
    private let status: StatusCollector
    private let token: ReloadedFile<SHA256Digest>?

    var address: SocketAddress { server.address }

    /// - Parameter checks: The checks of all other parts.
    /// - Throws: `ConfigurationProblem` if the listener cannot be opened.
    init(_ settings: ServeSettings, checks: [Health.Check], _ context: ApplicationContext) async throws {
        let health = Health(
            checks: checks, loops: Array(context.group.makeIterator()), clock: context.opsGroup.next(),
            time: context.time)
        self.health = health
        status = context.status
        token = try Self.token(settings.opsToken, context)
        let page = OperatorPage(collector: context.status, health: health, time: context.time)
        let events = PageEvents(page, time: context.time)
        let access = OperatorAccess(
            defences: DefenceLog(logger: context.logger, metrics: context.metrics),
            guesses: settings.listener.callerFailures
        ) { [token] in token?.value }
        server = try await ConfigurationProblem.naming(host: Settings.ops.host, port: Settings.ops.port) {
            try await HTTPServer(
                host: settings.opsHost, port: settings.opsPort, group: context.opsGroup,
                handler: Operations(
                    health: health, metrics: context.metrics, page: page, events: events, access: access),
                logger: context.logger, shutdownBegan: { events.end() })
        }
        systemd = SystemdNotifier(
            environment: settings.environment, processID: getpid(), group: context.opsGroup, logger: context.logger
        ) { health.isAlive }
    }

    /// The digest of the token for the operator's page.
    private static func token(
        _ file: PrivateFile?, _ context: ApplicationContext
    ) throws(ConfigurationProblem) -> ReloadedFile<SHA256Digest>? {
        try ConfigurationProblem.naming(Settings.ops.tokenFile) { () throws(FileProblem) in
            try file.map { file throws(FileProblem) in
                try ReloadedFile(
                    "ops-token", files: [file], eventLoop: context.opsGroup.next(), metrics: context.metrics,
                    logger: context.logger
                ) { () throws(FileProblem) in SHA256Digest(of: try file.firstLine()) }
            }
        }
    }

    var services: [any Service] {
        let services: [(any Service)?] = [systemd, server, health, status, token]
        return services.compactMap(\.self)
    }

    func registerCollectors(in metrics: MetricsRegistry) {
        metrics.collect(from: health)
    }
}
