import Adapters
import ArgumentParser
import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

struct TopCommand: AsyncParsableCommand, ArgumentsInParts {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the state of a running service, live.",
        discussion: """
            Reads /status of the operations listener, which has the numbers of the operator's page: checks, Zoom's rate \
            limits and daily quota, tokens, cache, streams, connections and failures.

            On a terminal, the numbers are redrawn in place, and q ends the command. In a pipe, and with TERM=dumb, all \
            numbers are printed as text at each interval. While the service does not answer, the last numbers stay, and \
            are marked as old.

            \(ExitStatus.summary(of: [.done, .failed, .wrongUsage, .tryAgainLater, .notAllowed, .wrongConfiguration]))
            """)

    struct Flags: ParsableArguments {
        @Option(help: "URL of the operations listener.")
        var url = "http://127.0.0.1:9090"

        @Option(help: "File with the token of ops.token-file; - for standard input.", completion: .file())
        var tokenFile: String?

        @Option(
            help:
                "Time between two readings (range: \(DurationText.text(Self.range.lowerBound)) to \(DurationText.text(Self.range.upperBound)))."
        )
        var interval = "1s"

        @Flag(help: "Print the numbers once, and end.")
        var once = false

        @Flag(help: "Print the JSON of /status unchanged, one line for each reading.")
        var json = false

        private static let range: ClosedRange<Duration> = .milliseconds(200)...(.seconds(3600))

        /// Set by `validate`.
        var duration: Duration { DurationText.duration(interval) ?? Self.range.lowerBound }

        func validate() throws {
            guard let duration = DurationText.duration(interval), Self.range.contains(duration) else {
                throw ValidationError(
                    "--interval must be a duration such as 2s or 1m, from \(DurationText.text(Self.range.lowerBound)) to "
                        + "\(DurationText.text(Self.range.upperBound))")
            }
            if tokenFile?.isEmpty ?? false { throw ValidationError("--token-file is empty") }
            _ = try service
        }

        var service: ZoomConfiguration.ServiceURL {
            get throws {
                do throws(HTTPURL.Problem) {
                    return ZoomConfiguration.ServiceURL(try HTTPURL(parsing: url))
                } catch {
                    throw ValidationError("--url: \(error)")
                }
            }
        }
    }

    static let parts: [ArgumentsPart<TopCommand>] = [
        .init(\.flags), .init(\.zoom), .init(\.sharedFiles), .init(\.commonFlags),
    ]

    private var flags = Flags()

    // For the connection to the service, as for other commands that call one.
    private var zoom = SettingFlags<Settings.Zoom>(areHidden: true)
    private var sharedFiles = SettingFlags<Settings.SharedFiles>(areHidden: true)
    private var commonFlags = CommonFlags()

    /// An answer takes milliseconds. A longer wait would hide that the service is gone.
    private static let timeout = Duration.seconds(5)

    func run() async throws {
        let url = try flags.service
        guard let (configuration, mayBeShared) = try await connection(to: url.origin) else { return }
        var token: String?
        if let file = flags.tokenFile { token = try await CallerTokenInput.read(file, mayBeShared: mayBeShared, [:]) }
        let http = HTTPClient(
            origin: url.origin, group: .singleton, configuration: configuration,
            logger: Output.logger(.critical))
        let source = StatusSource(http, path: url.path, token: token, timeout: Self.timeout)
        let display = TerminalDisplay(of: STDOUT_FILENO, commonFlags.color)
        let result: Result<Void, any Error>
        do {
            if flags.once || flags.json || !display.canRedraw {
                try await printReadings(of: source, url, hasColors: display.hasColors)
            } else {
                try await TopScreen(source, url: origin(url), interval: flags.duration, display).run()
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await http.close()
        try result.get()
    }

    /// Reads the settings for the connection.
    ///
    /// - Returns: nil if the settings were printed.
    private func connection(to origin: Origin) async throws -> (HTTPClient.Configuration, mayBeShared: Bool)? {
        let environment = Invocation.environment
        var reader = try await SettingsReader(
            flags: given, environment: environment, file: commonFlags.configuration.file, groups: Settings.ofService)
        let settings = ZoomSettings(&reader, environment: environment)
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        var connection = try settings.connection(to: origin)
        connection.firstByte = TimeAmount(Self.timeout)
        return (connection, mayBeShared)
    }

    private func origin(_ url: ZoomConfiguration.ServiceURL) -> String {
        "\(url.origin.scheme.rawValue)://\(url.origin.authority)\(url.path)"
    }

    private func printReadings(
        of source: StatusSource, _ url: ZoomConfiguration.ServiceURL, hasColors: Bool
    ) async throws {
        var report = TopReport(url: origin(url))
        while true {
            let wasAway = report.isAway
            switch await source.read() {
            case .status(let status, let text):
                report.received(status)
                if flags.json {
                    try await Output.writeResult(text)
                } else {
                    try await Output.writeResult(report.text(hasColors: hasColors) + (flags.once ? "" : "\n"))
                }
            case .away(let problem):
                if flags.once { throw problem }
                report.failed(problem.description, at: time(nil))
                // Once for each time that the service goes away.
                if !wasAway { Output.writeError("billing-service: no answer: \(problem)\n") }
            case .refused(let problem): throw problem
            }
            if flags.once { return }
            try await Task.sleep(for: flags.duration)
        }
    }
}
