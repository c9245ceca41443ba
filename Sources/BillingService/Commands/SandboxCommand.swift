import Adapters
import ArgumentParser
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

struct SandboxCommand: AsyncParsableCommand, ArgumentsInParts {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Simulate Zoom, for tests of this service or of other clients.",
        discussion: """
            Serves Zoom's API over HTTP/2 and HTTP/1.1, in clear text on 127.0.0.1 or over TLS, with Zoom's validation, \
            rate limits and error codes:

              POST /oauth/token                          Server-to-Server OAuth
              GET  /v2/accounts                          List sub accounts (Medium)
              GET  /v2/accounts/{id}                     Get sub account details (Light)
              GET  /v2/accounts/{id}/billing             Get billing information (Medium)
              GET  /v2/accounts/{id}/plans               Get plan information (Medium)
              GET  /v2/accounts/{id}/plans/usage         Get plan usage (Heavy)
              GET  /v2/accounts/{id}/billing/invoices    List billing invoices (Heavy)
              GET  /v2/accounts/{id}/billing/invoices/{invoiceId}
                                                         Get invoice details (Heavy)
              GET  /v2/billing/invoices/{invoiceId}/download
                                                         Download an invoice file (Heavy)
              PATCH  /v2/accounts/{id}/billing              Update billing information (Heavy)
              POST   /v2/accounts/{id}/plans                Subscribe plans (Heavy)
              POST   /v2/accounts/{id}/plans/addons         Subscribe additional plan (Heavy)
              PUT    /v2/accounts/{id}/plans/addons         Update an additional plan (Heavy)
              PATCH  /v2/accounts/{id}/plans/addons/status  Cancel additional plans (Heavy)
              PUT    /v2/accounts/{id}/plans/base           Update a base plan (Heavy)
              PATCH  /v2/accounts/{id}/plans/base/status    Cancel a base plan (Heavy)

            --sandbox-credentials-file receives the app's account id, client id and secret. Of 100 sub accounts, one pays \
            for itself, two are free, and others have missing, null or unknown members or long amounts.

            Faults come from --sandbox-faults-file, or from requests to the running sandbox:

              POST   /sandbox/faults          add {"fault": "html", "operation": "billing", "times": 3}
              GET    /sandbox/faults          list all faults, with the number of requests they affected
              DELETE /sandbox/faults          remove all faults
              GET    /sandbox/accounts        one account id of each kind of account
              POST   /sandbox/account         {"account_id": "…", "mode": "vip"}: let writes of an account be refused
              GET    /sandbox/writes          the writes that were received, and their effects
              DELETE /sandbox/writes          clear this list
              POST   /sandbox/app             {"client_id": "…", "scopes": ["…"]}: change the scopes of later tokens
              POST   /sandbox/clock           {"advance_seconds": 3600}, or {"now": "2026-02-01T00:00:00Z"}
              POST   /sandbox/secret          {"client_id": "…", "client_secret": "…"}: change the app's secret
              POST   /sandbox/tokens/revoke   revoke all access tokens
              GET    /sandbox/counts          count requests by operation

            docs/sandbox.md lists all kinds of faults, with examples.

            Exit codes: 0 shut down by SIGTERM, SIGINT or SIGHUP, 1 failed, 64 wrong usage, 78 wrong configuration.
            """)

    static let parts: [ArgumentsPart<SandboxCommand>] = [
        .init(\.listener), .init(\.sandbox), .init(\.commonFlags),
    ]

    private var listener = SettingFlags<Settings.SandboxListener>()
    private var sandbox = SettingFlags<Settings.Sandbox>()
    private var commonFlags = CommonFlags()

    func run() async throws {
        var reader = try await SettingsReader(
            flags: given, environment: Invocation.environment, file: commonFlags.configuration.file,
            groups: Settings.ofSandbox)
        let settings = SandboxSettings(&reader)
        let names = Settings.sandboxListener
        let host = reader.value(names.host)
        let port = reader.value(names.port)
        let credentialsFile = reader.optional(names.credentialsFile)
        let tls = ListenerSettings.tls(certificate: names.tlsCertificate, key: names.tlsKey, &reader)
        let log = LogSettings(&reader)
        if tls == nil, !Loopback.includes(host) {
            reader.report(names.host, "\(host) is not loopback, which requires \(names.tlsCertificate.key)")
        }
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }

        let logger = Output.logger(log, commonFlags.color)
        let signals = await ShutdownSignals()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: NIOCore.System.coreCount)
        let certificate = try tls.map { files throws(ConfigurationProblem) in
            try ServerCertificate.read(
                files, named: .init(certificate: names.tlsCertificate, key: names.tlsKey), group, .none, logger)
        }
        let sandbox = try await ConfigurationProblem.naming(host: names.host, port: names.port) {
            try await EmbeddedSandbox(
                settings, host: host, port: port, tls: certificate, group: group, time: SystemTime(),
                logger: logger)
        }
        if let credentialsFile {
            do throws(FileProblem) {
                try sandbox.app.write(to: credentialsFile)
            } catch {
                throw ConfigurationProblem(names.credentialsFile.definition, error)
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
