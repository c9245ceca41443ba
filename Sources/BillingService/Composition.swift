import Adapters
import Domain
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// The whole service, put together: the one place that knows both the domain's ports and what stands behind them.
struct Application {
    private let services: [ServiceGroupConfiguration.ServiceConfiguration]
    private let group: MultiThreadedEventLoopGroup
    private let opsGroup: MultiThreadedEventLoopGroup
    private let logger: Logger

    private let health: Health
    private let zoom: ZoomMasters
    private let cache: BillingCache
    private let lists: AccountListCache
    private let signals: ShutdownSignals
    private let systemd: SystemdNotifier?

    /// Where it listens.
    let address: SocketAddress
    let isEncrypted: Bool

    /// Where probes are answered.
    let opsAddress: SocketAddress

    /// The embedded Zoom, if there is one, the token to call the service with, and where the Zoom is.
    let sandbox: (accounts: SandboxAccounts, callerToken: String, zoom: String)?

    /// Builds everything and binds the ports: settings and files first, so that what is wrong with them is known before
    /// anybody can connect.
    ///
    /// - Parameters:
    ///   - guest: Somebody who may call besides those of the file.
    ///   - levelInFile: What the log's level is to follow.
    /// - Throws: `ConfigurationProblem` for files, hosts and ports.
    init(
        _ settings: ServeSettings, guest: (digest: SHA256Digest, caller: Caller)? = nil,
        levelInFile: LogLevelControl.File? = nil, logger: Logger
    ) async throws {
        // First of all: whoever is told where it listens may want to stop it at once.
        signals = await ShutdownSignals()
        let time = SystemTime()
        let metrics = MetricsRegistry()
        let eventLoops = settings.listener.eventLoops
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: eventLoops)
        self.group = group
        // Probes are answered when all other loops are busy.
        let opsGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.opsGroup = opsGroup
        self.logger = logger

        let certificate = try settings.listener.tls.map { files throws(ConfigurationProblem) in
            try ServerCertificate.read(
                files, naming: (.httpTLSCertificate, .httpTLSKey, .httpTLSClientCA), opsGroup, metrics, logger)
        }

        var services: [any Service] = []
        var configuration = try settings.zoom.configuration()
        let interactiveTimeMax = settings.interactiveTimeMax
        configuration.interactiveTimeMax = interactiveTimeMax
        for (setting, time) in [(Setting.zoomWait, settings.zoom.wait), (.zoomRetryTime, settings.zoom.retryTime)]
        where time > interactiveTimeMax {
            logger.warning(
                """
                \(setting.key) is longer than \(Setting.httpRequestTimeout.key) and \(Setting.zoomTimeout.key) leave: \
                lookups are answered after the time that is left
                """,
                metadata: [
                    "\(setting.key)": "\(time)", "\(Setting.httpRequestTimeout.key)": "\(settings.requestTimeout)",
                    "left": "\(interactiveTimeMax)",
                ])
        }
        var defaults = settings.zoom.defaults
        let masters: MasterAccounts
        let guestCaller: (digest: SHA256Digest, caller: Caller)?
        switch settings.source {
        case .real(let file):
            masters = try Self.naming(.credentialsFile) { () throws(FileProblem) in
                let masters = try MasterAccounts(
                    file, defaults: defaults, eventLoop: opsGroup.next(), metrics: metrics, logger: logger)
                guard !masters.names.isEmpty else {
                    throw FileProblem(path: file.file.path, reason: "there is no master account in it")
                }
                return masters
            }
            guestCaller = guest
            sandbox = nil
        case .sandbox(let sandboxSettings):
            let embedded = try await EmbeddedSandbox(
                sandboxSettings, host: "127.0.0.1", port: 0, group: group, time: time, logger: logger)
            services.append(embedded.server)
            defaults.api = embedded.api
            defaults.oauth = embedded.oauth
            defaults.plan = ZoomPlan(rawValue: sandboxSettings.limits.rawValue)
            masters = try MasterAccounts(
                embedded.app, defaults: defaults, eventLoop: opsGroup.next(), logger: logger)
            let token = CallerToken.make()
            guard let name = Name("sandbox") else { preconditionFailure("the sandbox has chosen no good name") }
            guestCaller =
                guest ?? (SHA256Digest(of: token), Caller(name: name, scopes: Set(Caller.Scope.allCases)))
            sandbox = (embedded.zoom.accounts, token, "http://\(Output.authority(of: embedded.server.address))")
        }

        let callersFile = try Self.naming(.callersFile) { () throws(FileProblem) in
            try settings.callers.map { callers throws(FileProblem) in
                try ReloadedFile(
                    "callers", files: [callers.file], eventLoop: opsGroup.next(), metrics: metrics, logger: logger
                ) { () throws(FileProblem) in CallerRegistry(try callers.read()) }
            }
        }
        let callers = KnownCallers(file: callersFile, guest: guestCaller, time: time)
        try Self.check(callers, masters, settings, logger)

        let spans = try Self.spans(settings.trace, opsGroup, time, metrics, logger)
        if let spans { services.append(spans.exporter) }
        let tracer = ServiceTracer(queue: spans?.queue, sampleRate: settings.trace.share)
        let zoom = ZoomMasters(
            masters.file.value.masters, configuration: configuration, credentials: masters,
            sharedTokens: settings.tokens.map { TokensFile($0.file, keys: $0.keys, time: time, logger: logger) },
            group: group, time: time, metrics: metrics, tracer: tracer, logger: logger)
        self.zoom = zoom
        let cache = BillingCache(source: zoom, time: time, rules: settings.cache) { BillingAnswer($0) }
        self.cache = cache
        let lists = AccountListCache(directory: zoom, time: time)
        self.lists = lists
        services += [zoom, masters.file, masters.follower(zoom, cache, lists)]
        if let callersFile { services.append(callersFile) }

        var rules = ExportContacts.Rules()
        rules.windowMax = settings.exportWindow
        let defences = DefenceLog(logger: logger, metrics: metrics)
        let router = Router(
            lookUpContact: LookUpContact(cache: cache),
            exportContacts: ExportContacts(lists: lists, cache: cache, source: zoom, time: time, rules: rules),
            callers: callers,
            // Who exports by themselves are the only ones there are.
            audit: AuditLog(
                logger: guest == nil ? Output.auditLogger() : Logger(label: "none") { _ in SwiftLogNoOpLogHandler() }),
            accessLog: AccessLog(share: settings.accessSample, logger: logger, metrics: metrics),
            trustedProxies: settings.listener.trustedProxies, forwardedField: settings.listener.forwardedField,
            guesses: settings.listener.callersFailures, defences: defences,
            answerTimeMax: settings.listener.configuration.timeouts.request, time: time, metrics: metrics,
            tracer: tracer, logger: logger)

        var checks = [
            Health.Check("zoom") { zoom.finding },
            Health.Check("credentials") { masters.file.finding },
            Health.Check("callers") { callers.finding(masters: masters.names) },
        ]
        if settings.refreshInterval > .zero {
            let refresh = RefreshAccounts(
                lists: lists, cache: cache, source: zoom, time: time, interval: settings.refreshInterval)
            checks.append(Health.Check("refresh") { refresh.finding })
            services.append(Refresher(refresh: refresh, masters: masters))
            metrics.collect(from: refresh)
        }
        if let certificate {
            checks.append(Health.Check("certificate") { certificate.finding })
            metrics.collect(from: certificate)
        }
        let health = Health(
            checks: checks, loops: Array(group.makeIterator()), clock: opsGroup.next(), time: time)
        self.health = health
        let ops = try await ConfigurationProblem.naming(host: .opsHost, port: .opsPort) {
            try await HTTPServer(
                host: settings.opsHost, port: settings.opsPort, group: opsGroup,
                handler: Operations(health: health, metrics: metrics), logger: logger)
        }
        opsAddress = ops.address
        // First, since they are stopped last: probes are answered to the end.
        services = [ops, health] + services
        systemd = SystemdNotifier(
            environment: settings.environment, processID: getpid(), group: opsGroup, logger: logger
        ) { health.isAlive }
        if let systemd { services.insert(systemd, at: 0) }
        services.append(
            LogLevelControl(
                output: Output.log, configured: settings.log.level, configuration: levelInFile,
                eventLoop: opsGroup.next(), metrics: metrics, logger: logger))
        if let certificate { services.append(certificate) }
        var listening = settings.listener.configuration
        listening.tls = certificate
        let server = try await ConfigurationProblem.naming(host: .httpHost, port: .httpPort) { [listening] in
            try await HTTPServer(
                host: settings.listener.host, port: settings.listener.port, group: group, handler: router,
                configuration: listening, logger: logger, defences: defences,
                shutdownBegan: { health.shutdownBegan() })
        }
        services.append(FreedMemory(load: server.load, eventLoop: opsGroup.next()))
        services.append(server)
        metrics.collect(from: server.load)
        metrics.collect(from: zoom)
        metrics.collect(from: cache, bytesMax: settings.cache.bytesMax)
        metrics.collect(from: health)
        metrics.collect(from: Output.log)
        metrics.collectProcess()
        address = server.address
        isEncrypted = certificate != nil
        // The group stops them last to first: the server while Zoom can still be asked, Zoom's client before Zoom.
        self.services = services.map {
            .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
        }
    }

    /// Where spans go, if they are wanted, and what sends them on.
    private static func spans(
        _ settings: TraceSettings, _ group: MultiThreadedEventLoopGroup, _ time: SystemTime, _ metrics: MetricsRegistry,
        _ logger: Logger
    ) throws(ConfigurationProblem) -> (queue: SpanQueue, exporter: SpanExporter)? {
        guard let configuration = try settings.exporter() else { return nil }
        let queue = SpanQueue(metrics: metrics)
        let resource = [
            (name: "service.name", value: "billing-service"), (name: "service.version", value: BuildInfo.version),
            (name: "service.instance.id", value: ProcessInfo.processInfo.hostName),
            (name: "process.pid", value: "\(getpid())"),
        ]
        let exporter = SpanExporter(
            queue, configuration, resource: resource, group: group, time: time, metrics: metrics, logger: logger)
        return (queue, exporter)
    }

    /// Says which setting a file that cannot be used comes from.
    private static func naming<Value>(
        _ setting: Setting, _ read: () throws(FileProblem) -> Value
    ) throws(ConfigurationProblem) -> Value {
        do throws(FileProblem) {
            return try read()
        } catch {
            throw ConfigurationProblem(lines: ["\(setting.key): \(error)"])
        }
    }

    /// Whether those who may call can call, and nobody else gets as far as asking.
    private static func check(
        _ callers: KnownCallers, _ masters: MasterAccounts, _ settings: ServeSettings, _ logger: Logger
    ) throws(ConfigurationProblem) {
        let astray = callers.astray(among: masters.names)
        guard astray.isEmpty else {
            let masters = masters.names.sorted().map(\.rawValue).joined(separator: ", ")
            throw ConfigurationProblem(
                lines: astray.map { "\(Setting.callersFile.key): the \"master\" of \($0) must be one of \(masters)" })
        }
        guard callers.isEmpty else { return }
        guard Loopback.includes(settings.listener.host) else {
            throw ConfigurationProblem(
                lines: [
                    "\(Setting.httpHost.key): \(settings.listener.host) is not loopback, and there are no callers: name a "
                        + "\(Setting.callersFile.key) that has some (billing-service callers add)"
                ])
        }
        logger.warning("there are no callers: every request will be answered 401")
    }

    /// Serves until a signal shuts it down, ends what is under way, and returns.
    func run() async throws {
        let serviceGroup = ServiceGroup(configuration: .init(services: services, logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await signals.run(logger) {
                    // Before anything else: whoever probes now is told.
                    health.shutdownBegan()
                    await systemd?.stopping()
                    await serviceGroup.triggerGracefulShutdown()
                }
            }
            tasks.addTask { await zoom.obtainTokens() }
            try await serviceGroup.run()
            await cache.close()
            await lists.close()
            tasks.cancelAll()
        }
        try await group.shutdownGracefully()
        try await opsGroup.shutdownGracefully()
    }
}

/// Keeps accounts fresh until the service shuts down.
private struct Refresher: Service {
    let refresh: RefreshAccounts
    let masters: MasterAccounts

    func run() async throws {
        await cancelWhenGracefulShutdown {
            // Callers do not name the only one there is, and what is kept is kept under the name that is asked with.
            await refresh.run { [masters] in masters.names.count == 1 ? [nil] : masters.names.sorted() }
        }
    }
}
