import Adapters
import Domain
import Logging
import NIOCore
import NIOPosix

/// A listening sandbox, and its endpoints.
struct EmbeddedSandbox {
    let zoom: SandboxZoom
    let app: SandboxConfiguration.App
    let server: HTTPServer
    let api: ZoomConfiguration.ServiceURL
    let oauth: ZoomConfiguration.ServiceURL

    init(
        _ settings: SandboxSettings, host: String, port: Int, tls: ServerCertificate? = nil,
        group: MultiThreadedEventLoopGroup, time: any TimeSource, logger: Logger
    ) async throws {
        app = SandboxConfiguration.App(
            accountID: "sandbox-master", clientID: "sandbox-client", clientSecret: RandomToken.make())
        var configuration = SandboxConfiguration(
            apps: [app], accounts: settings.accounts, seed: settings.seed, limits: settings.limits)
        configuration.tokens = settings.tokens
        configuration.latency = settings.latency
        configuration.pdfBytes = settings.pdfBytes
        configuration.start = settings.start
        configuration.faults = settings.faults
        zoom = SandboxZoom(configuration: configuration, time: time)
        var listening = HTTPServer.Configuration()
        listening.shutdownGrace = .seconds(1)
        listening.tls = tls
        server = try await HTTPServer(
            host: host, port: port, group: group, handler: zoom, configuration: listening, logger: logger)
        let origin = Origin(scheme: tls == nil ? .http : .https, host: host, port: server.address.port ?? 0)
        api = ZoomConfiguration.ServiceURL(origin: origin, path: "/v2")
        oauth = ZoomConfiguration.ServiceURL(origin: origin, path: "/oauth/token")
    }
}
