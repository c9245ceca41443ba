import Adapters
import ArgumentParser
import Domain
import Logging

#if canImport(Glibc)
    import Glibc
#endif

/// The flags that select where a command gets billing from: a running service, Zoom, or a sandbox.
struct SourceFlags: ArgumentsInParts {
    private struct MasterFlag: ParsableArguments {
        @Option(help: "Name of the master account to use, without --url. Required if the credentials file has several.")
        var master: Name?
    }

    static let parts: [ArgumentsPart<SourceFlags>] = [
        .init(\.running), .init(\.selection), .init(\.zoom), .init(\.credentials), .init(\.sharedFiles),
        .init(\.embeddedSandbox), .init(\.sandbox), .init(\.commonFlags),
    ]

    private(set) var running = ServiceFlags()
    private var selection = MasterFlag()
    private var zoom = SettingFlags<Settings.Zoom>()
    private var credentials = SettingFlags<Settings.Credentials>()
    private var sharedFiles = SettingFlags<Settings.SharedFiles>()
    private var embeddedSandbox = SettingFlags<Settings.EmbeddedSandbox>()
    private var sandbox = SettingFlags<Settings.Sandbox>()
    private var commonFlags = CommonFlags()

    private var master: Name? { selection.master }

    /// What standard error can show.
    var errorDisplay: TerminalDisplay { TerminalDisplay(of: STDERR_FILENO, commonFlags.color) }

    /// For the help of commands with these flags.
    static let discussion = """
        The source is a running service (--url), Zoom (with credentials.file), or a sandbox.

        \(ServiceFlags.discussion)
        """

    var readsStandardInput: Bool { running.readsStandardInput }

    func validateParts() throws {
        if running.url != nil {
            if embeddedSandbox.given[Settings.embeddedSandbox.isUsed.key] != nil {
                throw ValidationError("--url and --sandbox exclude each other")
            }
            if master != nil { throw ValidationError("--url and --master exclude each other") }
        } else if running.tokenFile != nil {
            throw ValidationError("--token-file requires --url")
        }
    }

    /// The service for a command that looks up billing; see `service(scopes:logLevel:)`.
    func lookupService() async throws -> CalledService? {
        // The command reports every failure itself.
        try await service(scopes: Set(Caller.Scope.allCases), logLevel: .error)
    }

    /// Reads the settings and the token.
    ///
    /// - Parameters:
    ///   - scopes: The permissions of the command, if the service runs in this process.
    ///   - logLevel: The default of `log.level`.
    /// - Returns: nil if the settings were printed.
    /// - Throws: `ConfigurationProblem`, `CommandFailure`, `FileProblem`.
    func service(scopes: Set<Caller.Scope>, logLevel: Logger.Level) async throws -> CalledService? {
        guard running.url == nil else {
            return try await running.service(given: given, commonFlags, logLevel: logLevel)
        }
        return try await embeddedService(scopes, logLevel, Invocation.environment)
    }

    private func embeddedService(
        _ scopes: Set<Caller.Scope>, _ logLevel: Logger.Level, _ environment: [String: String]
    ) async throws -> CalledService? {
        let fixed = [
            Settings.http.host.key: "127.0.0.1", Settings.http.port.key: "0", Settings.ops.port.key: "0",
            Settings.shutdown.delay.key: "0s", Settings.shutdown.grace.key: "0s",
        ]
        var reader = try await SettingsReader(
            flags: fixed.merging(given) { first, _ in first }, environment: environment,
            file: commonFlags.configuration.file, groups: Settings.ofService)
        var settings = try ServeSettings(&reader, environment: environment)
        // Only this process calls its service, so the settings for other callers do not apply.
        settings.listener.tls = nil
        settings.listener.configuration.proxyProtocolTrusted = []
        settings.opsHost = "127.0.0.1"
        settings.callers = nil
        settings.refreshInterval = .zero
        let log = ServiceFlags.log(&reader, level: logLevel)
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        guard let name = Name("command") else { preconditionFailure("the name is not valid") }
        try checkMaster(in: settings.source)
        return CalledService(
            place: .embedded(settings, Caller(name: name, scopes: scopes, master: master)), sharesOwners: mayBeShared,
            logger: Output.logger(log, commonFlags.color))
    }

    /// - Throws: `ConfigurationProblem` if --master selects none of the master accounts, or is missing.
    private func checkMaster(in source: ServeSettings.ZoomSource) throws(ConfigurationProblem) {
        guard case .real(let file) = source else { return }
        let names = try ConfigurationProblem.naming(Settings.credentials.file) { () throws(FileProblem) in
            try file.read().masters.map(\.name)
        }
        let list = names.map(\.rawValue).joined(separator: ", ")
        if let master {
            guard names.contains(master) else {
                throw ConfigurationProblem(lines: ["--master: \(master) is not one of \(list)"])
            }
        } else if names.count > 1 {
            throw ConfigurationProblem(lines: ["--master is required, one of \(list)"])
        }
    }
}
