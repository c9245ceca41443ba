import Adapters
import ArgumentParser
import Logging

#if canImport(Glibc)
    import Glibc
#endif

struct ServeCommand: AsyncParsableCommand, ArgumentsInParts {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the Billing API.",
        discussion: """
            Each flag is a setting. The service takes its value from the flag, then from the environment (http.port is \
            BILLING_HTTP_PORT), then from the file of --config, then from the default.

            --sandbox needs no other flag: it simulates Zoom, and prints commands to try.

            SIGTERM, SIGINT or SIGHUP shuts the service down after the requests in flight have ended. A second signal, at \
            least a second later, ends it at once. SIGUSR1 logs one level more, SIGUSR2 restores the configured level.

            Exit codes: 0 shut down by a signal, 1 failed, 64 wrong usage, 78 wrong configuration.
            """)

    static let parts: [ArgumentsPart<ServeCommand>] = [
        .init(\.embeddedSandbox), .init(\.sandbox), .init(\.http), .init(\.timeouts), .init(\.limits), .init(\.ops),
        .init(\.shutdown), .init(\.zoom), .init(\.writes), .init(\.cache), .init(\.streams), .init(\.accessLog),
        .init(\.trace), .init(\.credentials), .init(\.callers), .init(\.state), .init(\.sharedFiles),
        .init(\.commonFlags),
    ]

    private var embeddedSandbox = SettingFlags<Settings.EmbeddedSandbox>()
    private var sandbox = SettingFlags<Settings.Sandbox>()
    private var http = SettingFlags<Settings.HTTP>()
    private var timeouts = SettingFlags<Settings.Timeouts>()
    private var limits = SettingFlags<Settings.Limits>()
    private var ops = SettingFlags<Settings.Ops>()
    private var shutdown = SettingFlags<Settings.Shutdown>()
    private var zoom = SettingFlags<Settings.Zoom>()
    private var writes = SettingFlags<Settings.Writes>()
    private var cache = SettingFlags<Settings.Cache>()
    private var streams = SettingFlags<Settings.Streams>()
    private var accessLog = SettingFlags<Settings.AccessLog>()
    private var trace = SettingFlags<Settings.Trace>()
    private var credentials = SettingFlags<Settings.Credentials>()
    private var callers = SettingFlags<Settings.Callers>()
    private var state = SettingFlags<Settings.State>()
    private var sharedFiles = SettingFlags<Settings.SharedFiles>()
    private var commonFlags = CommonFlags()

    func run() async throws {
        var reader = try await SettingsReader(
            flags: given, environment: Invocation.environment, file: commonFlags.configuration.file,
            groups: Settings.ofService)
        let settings = try ServeSettings(&reader, environment: Invocation.environment)
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return
        }
        CoreDumps.forbid()
        let logger = Output.logger(settings.log, commonFlags.color)
        for notice in reader.notices { logger.warning("\(notice)") }
        let application = try await Application(settings, levelInFile: levelInFile, logger: logger)
        do throws(OutputProblem) {
            // In one write, which succeeds even if a reader takes the first line only.
            let display = TerminalDisplay(of: STDOUT_FILENO, commonFlags.color)
            try Output.write(ServeAnnouncement(application, on: display).text)
        } catch {
            // The output matters for a sandbox only, whose token is printed once. Otherwise the addresses are logged.
            guard application.sandbox == nil else { throw error }
            logger.warning(
                "\(error)",
                metadata: ["listening_on": "\(application.address)", "operations_on": "\(application.opsAddress)"])
        }
        try await application.run()
    }

    /// Reads the current log level in the file of `--config`; nil if there is no file that can be read again.
    private var levelInFile: LogLevelControl.File? {
        commonFlags.configuration.file.flatMap { path in
            // A pipe can be read only once.
            guard InputFile.isRegular(path) else { return nil }
            let flags = given
            return LogLevelControl.File(path: path) {
                var reader = try await SettingsReader(
                    flags: flags, environment: Invocation.environment, file: path,
                    groups: Settings.ofService)
                let level = LogSettings(&reader).level
                try reader.finish()
                return level
            }
        }
    }
}
