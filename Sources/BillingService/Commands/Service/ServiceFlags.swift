import Adapters
import ArgumentParser
import Logging

/// The flags that select a running service, and the token for it.
struct ServiceFlags: ParsableArguments {
    @Option(help: "URL of a running service, such as https://billing.example.com, with its path prefix if it has one.")
    var url: String?

    @Option(help: "File with the token for the service; - for standard input.", completion: .file())
    var tokenFile: String?

    /// For the help of commands with these flags.
    static let discussion = """
        Pass the token for --url in BILLING_TOKEN or --token-file. It is not an argument, since all users of the machine \
        can see those.
        """

    private static let standardInput = ["-", "/dev/stdin"]

    var readsStandardInput: Bool { tokenFile.map(Self.isStandardInput) ?? false }

    /// Whether a path for `InputFile` is standard input.
    static func isStandardInput(_ path: String) -> Bool { standardInput.contains(path) }

    /// The flags as arguments of another command.
    var arguments: [String] {
        [("--url", url), ("--token-file", tokenFile)].flatMap { flag, value in value.map { [flag, $0] } ?? [] }
    }

    func validate() throws {
        for (flag, text) in [("--url", url), ("--token-file", tokenFile)] where text?.isEmpty ?? false {
            throw ValidationError("\(flag) is empty")
        }
        if url != nil { _ = try parsedURL() }
    }

    /// - Throws: `ValidationError`, also without --url.
    private func parsedURL() throws -> ZoomConfiguration.ServiceURL {
        guard let url else { throw ValidationError("--url is required") }
        do throws(HTTPURL.Problem) {
            return ZoomConfiguration.ServiceURL(try HTTPURL(parsing: url))
        } catch {
            throw ValidationError("--url: \(error)")
        }
    }

    /// Reads the settings for the connection, and the token.
    ///
    /// - Parameters:
    ///   - given: The values of the flags of settings.
    ///   - logLevel: The default of `log.level`.
    /// - Returns: nil if the settings were printed.
    /// - Throws: `ValidationError` without --url, `ConfigurationProblem`, `CommandFailure`, `FileProblem`.
    func service(
        given: [String: String], _ commonFlags: CommonFlags, logLevel: Logger.Level
    ) async throws -> CalledService? {
        let url = try parsedURL()
        let environment = Invocation.environment
        var reader = try await SettingsReader(
            flags: given, environment: environment, file: commonFlags.configuration.file, groups: Settings.ofService)
        let zoom = ZoomSettings(&reader, environment: environment)
        let log = Self.log(&reader, level: logLevel)
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        let http = try zoom.connection(to: url.origin)
        let token = try await CallerTokenInput.read(tokenFile, mayBeShared: mayBeShared, environment)
        return CalledService(
            place: .running(ServiceEndpoint(url: url, token: token, http: http)), sharesOwners: mayBeShared,
            logger: Output.logger(log, commonFlags.color))
    }

    /// By default, logs in plain text: the log shares standard error with the messages of the command.
    static func log(_ reader: inout SettingsReader, level: Logger.Level) -> LogSettings {
        var log = LogSettings(&reader)
        if !reader.isGiven(Settings.log.level) { log.level = level }
        if !reader.isGiven(Settings.log.format) { log.format = .text }
        return log
    }
}

extension ZoomSettings {
    /// The configuration of a client of a running service.
    ///
    /// - Throws: `ConfigurationProblem` for CA certificates that cannot be used.
    func connection(to origin: Origin) throws -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        if origin.scheme == .https {
            // The CA certificates and the proxy are the same as for Zoom.
            configuration.tls = try tls()
            if !Loopback.includes(origin.host) { configuration.proxies = http.proxies }
        }
        return configuration
    }
}
