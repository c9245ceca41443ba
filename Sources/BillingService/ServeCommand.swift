import Adapters
import ArgumentParser
import FoundationEssentials
import Logging

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the Billing API.",
        discussion: """
            Each flag is a setting. Settings come from flags, then from the environment (http.port is \
            BILLING_HTTP_PORT), then from the file of --config, then from their defaults.

            With --sandbox nothing else is needed: an embedded Zoom is served, and lines to try it are printed.

            SIGTERM, SIGINT or SIGHUP stops it once what is under way has ended; another that comes more than a second \
            later stops it at once. SIGUSR1 makes the log say a step more, SIGUSR2 as much as is configured.

            Exit codes: 0 stopped by a signal, 64 wrong usage, 78 wrong configuration, 1 anything else.
            """)

    @Flag(.sandbox) var isSandbox = false

    @OptionGroup var sandboxFlags: SandboxFlags
    @OptionGroup var httpFlags: HTTPFlags
    @OptionGroup var limitFlags: LimitFlags
    @OptionGroup var opsFlags: OpsFlags
    @Option(.shutdownDelay) var shutdownDelay
    @Option(.shutdownGrace) var shutdownGrace
    @OptionGroup var zoomFlags: ZoomFlags
    @OptionGroup var cacheFlags: CacheFlags
    @Option(.refreshInterval) var refreshInterval
    @Option(.exportWindow) var exportWindow
    @Option(.logAccessSample) var accessSample
    @OptionGroup var traceFlags: TraceFlags
    @OptionGroup var credentialsFlags: CredentialsFlags
    @OptionGroup var callersFlags: CallersFlags
    @OptionGroup var sharedFileFlag: SharedFileFlag
    @OptionGroup var commonFlags: CommonFlags

    private var flags: [Setting: String] {
        let own: [Setting: String?] = [
            .shutdownDelay: shutdownDelay, .shutdownGrace: shutdownGrace, .exportWindow: exportWindow,
            .refreshInterval: refreshInterval,
            .logAccessSample: accessSample,
            .sandbox: isSandbox ? "true" : nil,
        ]
        let groups: [any SettingFlags] = [
            httpFlags, limitFlags, opsFlags, zoomFlags, cacheFlags, traceFlags, credentialsFlags, callersFlags,
            sharedFileFlag, sandboxFlags, commonFlags,
        ]
        return own.compactMapValues { $0 }.merging(groups.values) { first, _ in first }
    }

    func run() async throws {
        var reader = try await SettingsReader(
            flags: flags, environment: Invocation.environment, file: commonFlags.configuration.file,
            known: ServeSettings.all)
        let settings = try ServeSettings(&reader, environment: Invocation.environment)
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }
        CoreDumps.forbid()
        let logger = Output.logger(settings.log)
        for notice in reader.notices { logger.warning("\(notice)") }
        let application = try await Application(settings, levelInFile: levelInFile, logger: logger)
        do throws(OutputProblem) {
            try announce(application)
        } catch {
            // Without a sandbox the output says nothing that the log could not say, and a service goes on without it.
            guard application.sandbox == nil else { throw error }
            logger.warning(
                "\(error)",
                metadata: ["listening_on": "\(application.address)", "operations_on": "\(application.opsAddress)"])
        }
        try await application.run()
    }

    /// What the file of `--config` says of the log's level now, if there is such a file and nobody overrules it.
    private var levelInFile: LogLevelControl.File? {
        commonFlags.configuration.file.flatMap { path in
            // A pipe has nothing more to say.
            guard InputFile.isRegular(path) else { return nil }
            let flags = flags
            return LogLevelControl.File(path: path) {
                var reader = try await SettingsReader(
                    flags: flags, environment: Invocation.environment, file: path,
                    known: ServeSettings.all)
                let level = LogSettings(&reader).level
                try reader.finish()
                return level
            }
        }
    }

    /// In one write: a reader that takes the first line alone does not make the others fail.
    private func announce(_ application: Application) throws(OutputProblem) {
        let base = "\(application.isEncrypted ? "https" : "http")://\(Output.authority(of: application.address))"
        var text = "Listening on \(base)\nOperations on http://\(Output.authority(of: application.opsAddress))\n"
        guard let (accounts, token, zoom) = application.sandbox else { return try Output.write(text) }
        func curl(_ path: String, _ options: String = "") -> String {
            // Nobody knows who signed a certificate that is tried out.
            let how = application.isEncrypted ? "--insecure" : "--http2-prior-knowledge"
            return "curl \(how) \(options)-H 'authorization: Bearer \(token)' \(base)\(path)\n"
        }
        text +=
            "\nAn embedded Zoom with \(accounts.count) sub accounts is behind it, at \(zoom) (docs/sandbox.md). To try it:\n\n"
        if let number = (0..<accounts.count).first(where: { !accounts.isSelfPay($0) }) {
            text += curl("/v2/accounts/\(accounts.id(of: number))/billing")
        }
        if let number = (0..<accounts.count).first(where: accounts.isSelfPay) {
            text += curl("/v2/accounts/\(accounts.id(of: number))/billing")
        }
        text += curl("/v2/billing/stream", "-N ")
        try Output.write(text)
    }
}
