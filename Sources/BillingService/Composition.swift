import Adapters
import Domain
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The whole service, put together: the one place that knows both the domain's ports and what stands behind them.
struct Application {
    private let services: [ServiceGroupConfiguration.ServiceConfiguration]
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let sandboxCredentials: TemporaryCredentials?

    /// Where it listens.
    let address: SocketAddress

    /// The embedded Zoom, if there is one, and the token to call the service with.
    let sandbox: (accounts: SandboxAccounts, callerToken: String)?

    /// Builds everything and binds the port: settings and files first, so that what is wrong with them is known before
    /// anybody can connect.
    ///
    /// - Throws: `ConfigurationProblem` for files; what the system says of the port.
    init(_ settings: ServeSettings, logger: Logger) async throws {
        let time = SystemTime()
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: settings.httpEventLoops > 0 ? settings.httpEventLoops : NIOCore.System.coreCount)
        self.group = group
        self.logger = logger

        let fileCallers = try settings.callersFile.map { path throws(ConfigurationProblem) in
            do throws(FileProblem) {
                return try CallersFile(path: path).read()
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.callersFile.key): \(error)"])
            }
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

        let zoom = ZoomClient(
            configuration: configuration, credentials: credentials, group: group, time: time, logger: logger)
        services.append(zoom)

        var rules = ExportContacts.Rules()
        rules.windowMax = settings.exportWindow
        let router = Router(
            lookUpContact: LookUpContact(source: zoom, time: time),
            exportContacts: ExportContacts(directory: zoom, source: zoom, time: time, rules: rules),
            caller: { digest in
                if let sandboxCaller, sandboxCaller.digest == digest { return sandboxCaller.caller }
                return fileCallers?.caller(presenting: digest)
            },
            logger: logger)
        var listening = HTTPServer.Configuration()
        listening.shutdownGrace = TimeAmount(settings.shutdownGrace)
        let server = try await HTTPServer(
            host: settings.httpHost, port: settings.httpPort, group: group, handler: router,
            configuration: listening, logger: logger)
        services.append(server)
        address = server.address
        // The group stops them last to first: the server while Zoom can still be asked, Zoom's client before Zoom.
        self.services = services.map {
            .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
        }
    }

    /// Serves until SIGTERM or SIGINT, then ends what is under way and returns.
    func run() async throws {
        let serviceGroup = ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        defer { sandboxCredentials?.remove() }
        try await serviceGroup.run()
        try await group.shutdownGracefully()
    }
}
