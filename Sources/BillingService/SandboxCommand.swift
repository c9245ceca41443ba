import Adapters
import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Serve a Zoom to try things against, alone.",
        discussion: """
            Plays Zoom over HTTP/2 and HTTP/1.1, in clear text on 127.0.0.1 or over TLS, with Zoom's own checks, rate \
            limits and error codes, for this service or any other client of Zoom's:

              POST /oauth/token                          Server-to-Server OAuth
              GET  /v2/accounts                          List sub accounts (Medium)
              GET  /v2/accounts/{id}                     Get sub account details (Light)
              GET  /v2/accounts/{id}/billing             Get billing information (Medium)
              GET  /v2/accounts/{id}/plans/usage         Get plan usage (Heavy)
              GET  /v2/accounts/{id}/billing/invoices    List billing invoices (Heavy)

            The app's account id, client id and secret are written to --sandbox-credentials-file. Of a hundred sub \
            accounts one pays for itself, one lacks members, one has null ones, and one has one more.

            What goes wrong is told by --sandbox-faults-file, or while it runs:

              POST   /sandbox/faults          adds {"fault": "html", "operation": "billing", "times": 3}
              GET    /sandbox/faults          lists them, and how many requests each has met
              DELETE /sandbox/faults          ends them all
              POST   /sandbox/clock           {"advance_seconds": 3600}, or {"now": "2026-02-01T00:00:00Z"}
              POST   /sandbox/secret          {"client_id": "…", "client_secret": "…"}: another secret of the app
              POST   /sandbox/tokens/revoke   ends every token
              GET    /sandbox/counts          what was asked so far

            docs/sandbox.md has all kinds of faults, and examples.

            Exit codes: 0 stopped by SIGTERM, SIGINT or SIGHUP, 64 wrong usage, 78 wrong configuration, 1 anything else.
            """)

    @Option(.sandboxHost) var host
    @Option(.sandboxPort) var port
    @Option(.sandboxCredentialsFile) var credentialsFile
    @Option(.sandboxTLSCertificate) var tlsCertificate
    @Option(.sandboxTLSKey) var tlsKey
    @OptionGroup var sandboxFlags: SandboxFlags
    @OptionGroup var commonFlags: CommonFlags

    static let settings: [Setting] =
        [.sandboxHost, .sandboxPort, .sandboxCredentialsFile, .sandboxTLSCertificate, .sandboxTLSKey]
        + LogSettings.all
        + SandboxSettings.all

    func run() async throws {
        let own: [Setting: String?] = [
            .sandboxHost: host, .sandboxPort: port, .sandboxCredentialsFile: credentialsFile,
            .sandboxTLSCertificate: tlsCertificate, .sandboxTLSKey: tlsKey,
        ]
        let groups: [any SettingFlags] = [sandboxFlags, commonFlags]
        let flags = own.compactMapValues { $0 }.merging(groups.values) { first, _ in first }
        var reader = try await SettingsReader(
            flags: flags, environment: Invocation.environment, file: commonFlags.configuration.file,
            known: Self.settings)
        let settings = SandboxSettings(&reader)
        let host = reader.text(.sandboxHost) ?? ""
        let port = reader.integer(.sandboxPort, in: 0...65_535)
        let credentialsFile = reader.text(.sandboxCredentialsFile)
        let tls = ListenerSettings.tls(certificate: .sandboxTLSCertificate, key: .sandboxTLSKey, &reader)
        let log = LogSettings(&reader)
        if tls == nil, !Loopback.includes(host) {
            reader.report(.sandboxHost, "\(host) is not loopback, and there is no sandbox.tls.certificate")
        }
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }

        let logger = Output.logger(log)
        let signals = await ShutdownSignals()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: NIOCore.System.coreCount)
        let certificate = try tls.map { files throws(ConfigurationProblem) in
            try ServerCertificate.read(
                files, naming: (.sandboxTLSCertificate, .sandboxTLSKey, .httpTLSClientCA), group, .none, logger)
        }
        let sandbox = try await ConfigurationProblem.naming(host: .sandboxHost, port: .sandboxPort) {
            try await EmbeddedSandbox(
                settings, host: host, port: port, tls: certificate, group: group, time: SystemTime(),
                logger: logger)
        }
        if let credentialsFile {
            do throws(FileProblem) {
                try sandbox.app.write(to: credentialsFile)
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.sandboxCredentialsFile.key): \(error)"])
            }
        }
        let base = "\(tls == nil ? "http" : "https")://\(Output.authority(of: sandbox.server.address))"
        try Output.write("Listening on \(base)\n")
        let serviceGroup = ServiceGroup(
            configuration: .init(
                services: [.init(service: sandbox.server, successTerminationBehavior: .gracefullyShutdownGroup)],
                logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await signals.run(logger) { await serviceGroup.triggerGracefulShutdown() } }
            try await serviceGroup.run()
            tasks.cancelAll()
        }
        try await group.shutdownGracefully()
    }
}
