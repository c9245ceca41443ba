import Adapters
import Domain
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
    import Glibc
#endif

/// The whole service, put together: the one place that knows both the domain's ports and what stands behind them.
struct Application {
    private let services: [ServiceGroupConfiguration.ServiceConfiguration]
    private let group: MultiThreadedEventLoopGroup
    private let opsGroup: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let sandboxCredentials: TemporaryCredentials?

    private let health: Health
    private let signals: UnixSignalsSequence

    /// Where it listens.
    let address: SocketAddress
    let isEncrypted: Bool

    /// Where probes are answered.
    let opsAddress: SocketAddress

    /// The embedded Zoom, if there is one, and the token to call the service with.
    let sandbox: (accounts: SandboxAccounts, callerToken: String)?

    /// Builds everything and binds the ports: settings and files first, so that what is wrong with them is known before
    /// anybody can connect.
    ///
    /// - Throws: `ConfigurationProblem` for files; what the system says of the port.
    init(_ settings: ServeSettings, logger: Logger) async throws {
        // First of all: whoever is told where it listens may want to stop it at once.
        signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let time = SystemTime()
        let eventLoops = settings.listener.eventLoops
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: eventLoops > 0 ? eventLoops : NIOCore.System.coreCount)
        self.group = group
        // Probes are answered when all other loops are busy.
        let opsGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.opsGroup = opsGroup
        self.logger = logger

        let fileCallers = try settings.callersFile.map { path throws(ConfigurationProblem) in
            do throws(FileProblem) {
                return try CallersFile(path: path).read()
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.callersFile.key): \(error)"])
            }
        }

        let certificate = try settings.listener.tls.map { files throws(ConfigurationProblem) in
            try ServerCertificate.read(files, naming: .httpTLSCertificate, opsGroup, logger)
        }

        var services: [any Service] = []
        var configuration: ZoomConfiguration
        let credentials: CredentialsFile
        let sandboxCaller: (digest: SHA256Digest, caller: Caller)?
        switch settings.zoom {
        case .real(let api, let oauth, let credentialsFile):
            configuration = ZoomConfiguration(api: api, oauth: oauth)
            credentials = CredentialsFile(path: credentialsFile)
            do throws(FileProblem) {
                _ = try credentials.read()
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.credentialsFile.key): \(error)"])
            }
            sandboxCredentials = nil
            sandboxCaller = nil
            sandbox = nil
        case .sandbox(let sandboxSettings):
            let embedded = try await EmbeddedSandbox(
                sandboxSettings, host: "127.0.0.1", port: 0, group: group, time: time, logger: logger)
            services.append(embedded.server)
            configuration = ZoomConfiguration(api: embedded.api, oauth: embedded.oauth)
            let temporary = try TemporaryCredentials(embedded.app)
            credentials = CredentialsFile(path: temporary.path)
            sandboxCredentials = temporary
            let token = RandomToken.make(prefix: "sandbox_")
            sandboxCaller = (
                SHA256Digest(of: token), Caller(name: "sandbox", scopes: Set(Caller.Scope.allCases))
            )
            sandbox = (embedded.zoom.accounts, token)
        }
        configuration.requestsPerSecond = settings.requestsPerSecond
        configuration.waitMax = settings.zoomWait
        configuration.timeout = TimeAmount(settings.zoomTimeout)
        configuration.http = settings.zoomHTTP
        do throws(TLSFailure) {
            configuration.http.tls = try TLSContext(clientTrusting: settings.zoomCAFile)
        } catch {
            throw ConfigurationProblem(lines: ["\(Setting.zoomCAFile.key): \(error)"])
        }

        let zoom = ZoomClient(
            configuration: configuration, credentials: credentials, group: group, time: time, logger: logger)
        services.append(zoom)

        var rules = ExportContacts.Rules()
        rules.windowMax = settings.exportWindow
        let defences = DefenceLog(logger: logger)
        let router = Router(
            lookUpContact: LookUpContact(source: zoom, time: time),
            exportContacts: ExportContacts(directory: zoom, source: zoom, time: time, rules: rules),
            caller: { proof in
                switch proof {
                case .token(let digest):
                    if let sandboxCaller, sandboxCaller.digest == digest { return sandboxCaller.caller }
                    return fileCallers?.caller(presenting: digest)
                case .certificate(let names):
                    return fileCallers?.caller(certificateNames: names)
                }
            },
            trustedProxies: settings.listener.trustedProxies, forwardedField: settings.listener.forwardedField,
            guesses: settings.listener.callersFailures, defences: defences, logger: logger)

        var checks = [Health.Check("zoom") { zoom.standing.finding }]
        if let certificate { checks.append(Health.Check("certificate") { certificate.finding }) }
        let health = Health(
            checks: checks, loops: Array(group.makeIterator()), clock: opsGroup.next(), time: time)
        self.health = health
        let ops = try await HTTPServer(
            host: settings.opsHost, port: settings.opsPort, group: opsGroup, handler: Operations(health: health),
            logger: logger)
        opsAddress = ops.address
        // First, since they are stopped last: probes are answered to the end.
        services = [ops, health] + services
        if let certificate { services.append(certificate) }
        var listening = settings.listener.configuration
        listening.tls = certificate
        let server = try await HTTPServer(
            host: settings.listener.host, port: settings.listener.port, group: group, handler: router,
            configuration: listening, logger: logger, defences: defences, shutdownBegan: { health.shutdownBegan() })
        services.append(server)
        address = server.address
        isEncrypted = certificate != nil
        // The group stops them last to first: the server while Zoom can still be asked, Zoom's client before Zoom.
        self.services = services.map {
            .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
        }
    }

    /// Serves until SIGTERM or SIGINT, then ends what is under way and returns. A second signal ends the program at once,
    /// with status 1.
    func run() async throws {
        let serviceGroup = ServiceGroup(configuration: .init(services: services, logger: logger))
        defer { sandboxCredentials?.remove() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var signals = signals.makeAsyncIterator()
                guard let signal = await signals.next() else { return }
                logger.info("shutting down", metadata: ["signal": "\(signal)"])
                // Before anything else: whoever probes now is told.
                health.shutdownBegan()
                await serviceGroup.triggerGracefulShutdown()
                guard await signals.next() != nil else { return }
                logger.warning("a second signal: ending at once")
                sandboxCredentials?.remove()
                Glibc.exit(1)
            }
            try await serviceGroup.run()
            tasks.cancelAll()
        }
        try await group.shutdownGracefully()
        try await opsGroup.shutdownGracefully()
    }
}
