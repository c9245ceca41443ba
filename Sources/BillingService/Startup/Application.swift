import Adapters
import Domain
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The service, composed from its parts: the only place that knows both the domain's ports and their adapters.
struct Application {
    private let parts: [any ApplicationPart]
    private let context: ApplicationContext
    private let signals: ShutdownSignals

    private let zoom: ZoomPart
    private let state: StatePart
    private let redis: RedisPart
    private let operations: OperationsPart

    /// The address of the API listener.
    let address: SocketAddress
    let isEncrypted: Bool

    /// The address of the operations listener.
    var opsAddress: SocketAddress { operations.address }

    /// The names of the master accounts at the start.
    var masterNames: [Name] { zoom.accounts.names.sorted { $0.rawValue < $1.rawValue } }

    /// Whether a request to Zoom waits for its rate limit now.
    func hasQueuedRequests(under master: Name?) -> Bool {
        Domain.Operation.allCases.contains { zoom.masters.hasQueuedRequests(for: $0, under: master) }
    }

    /// The embedded sandbox, if there is one.
    let sandbox: SandboxAccess?

    /// Reads all files and then binds the ports, so that problems are reported before a client can connect.
    ///
    /// - Parameters:
    ///   - guest: A caller that is not in the callers file.
    ///   - levelInFile: The configuration file whose log level applies while the service runs.
    /// - Throws: `ConfigurationProblem` for files, hosts and ports.
    init(
        _ settings: ServeSettings, guest: Guest? = nil, levelInFile: LogLevelControl.File? = nil, logger: Logger
    ) async throws {
        // First, so that a signal during start-up is not lost.
        signals = await ShutdownSignals()
        let context = ApplicationContext(
            group: MultiThreadedEventLoopGroup(numberOfThreads: settings.listener.eventLoops), logger: logger)
        self.context = context

        let certificate = try CertificatePart(settings.listener.tls, context)
        let zoomConfiguration = try settings.zoom.configuration()
        let source = try await ZoomSourcePart(settings, context)
        let callers = try CallersPart(
            settings, guest: guest ?? source.guest, masters: source.masters, context)
        let tracing = try TracingPart(settings.trace, context)
        redis = try RedisPart(settings, context)
        zoom = ZoomPart(
            settings, storesAnswers: settings.stateFile != nil && guest == nil, zoomConfiguration, source, redis,
            tracer: tracing.tracer, context)
        let refresh = RefreshPart(settings, zoom, context)
        state = try StatePart(settings, zoom, redis, isOneShot: guest != nil, context)
        await state.restoreLists()
        let checked: [any ApplicationPart] = [zoom, callers, refresh, certificate, state, redis]
        operations = try await OperationsPart(settings, checks: checked.flatMap(\.checks), context)
        let log = LogPart(settings.log, levelInFile: levelInFile, context)
        let writes = WritesPart(settings, zoom, keys: state.store, context)
        let server = try await APIPart(
            settings, zoom: zoom, writes: writes, callers: callers.directory, isAudited: guest == nil,
            certificate: certificate.certificate, tracer: tracing.tracer, health: operations.health, context)
        // Stopped last to first: the API listener while Zoom can still be called, then the changes whose callers have gone,
        // the client of Zoom before Redis and the sandbox, and probes at the end.
        parts = [operations, source, tracing, redis, zoom, callers, refresh, log, certificate, state, writes, server]
        for part in parts {
            part.registerCollectors(in: context.metrics)
            part.registerStatus(in: context.status)
        }
        context.metrics.collectProcess()
        context.status.collectProcess(eventLoops: settings.listener.eventLoops)
        address = server.address
        isEncrypted = certificate.certificate != nil
        sandbox = source.access
    }

    /// Serves until a signal shuts the service down. Returns after the requests in flight have ended.
    func run() async throws {
        let services = parts.flatMap(\.services).map {
            ServiceGroupConfiguration.ServiceConfiguration(
                service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
        }
        let serviceGroup = ServiceGroup(configuration: .init(services: services, logger: context.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [signals, operations, logger = context.logger] in
                await signals.run(logger) {
                    // First, so that probes fail at once.
                    operations.health.shutdownBegan()
                    await operations.systemd?.stopping()
                    await serviceGroup.triggerGracefulShutdown()
                }
            }
            tasks.addTask { [masters = zoom.masters] in await masters.obtainTokens() }
            try await serviceGroup.run()
            await zoom.close()
            await state.close()
            await redis.close()
            tasks.cancelAll()
        }
        try await context.group.shutdownGracefully()
        try await context.opsGroup.shutdownGracefully()
    }
}
