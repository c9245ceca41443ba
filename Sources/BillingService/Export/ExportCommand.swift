import Adapters
import ArgumentParser
import Domain
import Foundation
import Logging
import NIOCore
import NIOPosix

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the billing of all sub accounts, or of chosen ones, to a file.",
        discussion: """
            Asks a running service (--url), or Zoom itself with the credentials of a file, or a sandbox. The lines are in \
            OUTPUT.partial until all of them are there. An export that was interrupted, in whatever way, continues from \
            there with --resume; no line is lost or written twice. It has to have the same list of accounts, the same \
            options and the same service; over a complete file it does nothing.

            The token for --url is in the environment as BILLING_TOKEN, or in the file of --token-file: as an argument \
            everybody on this machine could see it.

            Exit codes: 0 complete, 3 complete with failures of accounts, 1 incomplete, 64 wrong usage, 75 another process \
            writes this export, 78 wrong configuration.
            """)

    @Option(help: "File to write to; - for standard output.")
    var output: String

    @Option(help: "How it is written: ndjson (the contact and failure lines of the stream) or csv.")
    var format: String = ExportFormat.ndjson.rawValue

    @Flag(help: "Write it as gzip.")
    var compress = false

    @Flag(
        help:
            "Make CSV safe to open in a spreadsheet: a ' before values that would be formulas, quotes around each value, and a byte order mark."
    )
    var spreadsheet = false

    @Flag(help: "Continue an export that was interrupted.")
    var resume = false

    @Option(help: "A running service, as https://billing.example.com, or with the path it is found under.")
    var url: String?

    @Option(help: "File with the token for it; - for standard input.")
    var tokenFile: String?

    @Option(
        help:
            "File with the ids of the accounts that are wanted, one a line, or lines of NDJSON with account_id; - for standard input."
    )
    var accountsFrom: String?

    @Option(help: "Fields of the billing that are wanted, with commas between them.")
    var fields: String?

    @Option(help: "How many seconds old the billing may be, 0 to 1000000000.")
    var maxAge: Int?

    @Option(help: "Seconds for which attempts go on without success, 0 to 1000000000.")
    var retrySeconds = 600

    @OptionGroup var zoomFlags: ZoomFlags
    @OptionGroup var credentialsFlags: CredentialsFlags
    @OptionGroup var sharedFileFlag: SharedFileFlag
    @Flag(.sandbox) var isSandbox = false
    @OptionGroup var sandboxFlags: SandboxFlags
    @OptionGroup var commonFlags: CommonFlags

    /// As the service has it for `max_age`; enough for `--retry-seconds` too.
    private static let secondsRange = 0...1_000_000_000

    func validate() throws {
        let texts = [
            ("--output", output), ("--url", url), ("--token-file", tokenFile), ("--accounts-from", accountsFrom),
        ]
        for (flag, text) in texts where text?.isEmpty ?? false { throw ValidationError("\(flag) is empty") }
        let encoding = try encoding()
        if encoding.isForSpreadsheets, encoding.format != .csv {
            throw ValidationError("--spreadsheet goes with --format csv")
        }
        guard !resume || output != "-" else { throw ValidationError("what went to standard output cannot be resumed") }
        for (flag, seconds) in [("--max-age", maxAge), ("--retry-seconds", retrySeconds)] {
            guard Self.secondsRange.contains(seconds ?? 0) else {
                throw ValidationError("\(flag) is from 0 to 1000000000")
            }
        }
        _ = try fieldNames()
        if url != nil {
            if isSandbox { throw ValidationError("--url and --sandbox exclude each other") }
            _ = try service()
        } else if tokenFile != nil {
            throw ValidationError("--token-file goes with --url")
        }
        if [accountsFrom, tokenFile].allSatisfy({ $0.map(Self.standardInput.contains) ?? false }) {
            throw ValidationError("standard input cannot be both --accounts-from and --token-file")
        }
    }

    private static let standardInput = ["-", "/dev/stdin"]

    private func encoding() throws -> ExportEncoding {
        guard let format = ExportFormat(rawValue: format) else { throw ValidationError("--format is ndjson or csv") }
        return ExportEncoding(format: format, isCompressed: compress, isForSpreadsheets: spreadsheet)
    }

    /// Sorted, each once.
    private func fieldNames() throws -> [String]? {
        guard let fields else { return nil }
        let names = fields.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard let unknown = names.first(where: { !ContactFieldNames.inOrder.contains($0) }) else {
            return Set(names).sorted()
        }
        throw ValidationError(
            "--fields: \"\(unknown.withoutControlCharacters)\" is none of \(ContactFieldNames.inOrder.joined(separator: ", "))"
        )
    }

    private func service() throws -> ZoomConfiguration.Endpoint? {
        guard let url else { return nil }
        do throws(EndpointProblem) {
            return try ZoomConfiguration.Endpoint(parsing: url)
        } catch {
            throw ValidationError("--url: \(error)")
        }
    }

    func run() async throws {
        let environment = Invocation.environment
        let accounts: [AccountID]? =
            if let accountsFrom { try await AccountListInput.read(accountsFrom) } else { nil }
        let job = ExportJob(
            output: output, resumes: resume, encoding: try encoding(),
            request: ExportRun.Request(fields: try fieldNames(), maxAge: maxAge, accounts: accounts),
            retryTime: .seconds(retrySeconds), sharesOwners: sharedFileFlag.isAllowed,
            terminal: environment["TERM"])
        let code =
            if let service = try service() {
                try await ask(service, job, environment)
            } else {
                try await askZoom(job, environment)
            }
        guard let code else { return }
        if code != 0 { throw ExitCode(code) }
    }

    // MARK: A running service

    /// - Returns: The exit code; nil if the settings were printed.
    private func ask(
        _ service: ZoomConfiguration.Endpoint, _ job: ExportJob, _ environment: [String: String]
    ) async throws -> Int32? {
        let groups: [any SettingFlags] = [zoomFlags, sharedFileFlag, commonFlags]
        var reader = try await SettingsReader(
            flags: groups.values, environment: environment, file: commonFlags.configuration.file,
            known: ServeSettings.all)
        let zoom = ZoomSettings(&reader, environment: environment)
        let log = Self.log(&reader)
        let mayBeShared = reader.flag(.allowSharedFile)
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        var configuration = HTTPClient.Configuration()
        configuration.firstByte = .minutes(10)
        if service.origin.scheme == .https {
            // The certificates and the proxy are those of every other connection of this program.
            configuration.tls = try zoom.tls()
            if !Loopback.includes(service.origin.host) { configuration.proxies = zoom.http.proxies }
        }
        let token = try await Self.token(tokenFile, mayBeShared: mayBeShared, environment)
        var job = job
        job.sharesOwners = mayBeShared
        let identity = job.identity(
            service: ["service", service.origin.scheme.rawValue, service.origin.authority.lowercased(), service.path])
        guard let target = try await job.open(identity) else { return 0 }
        return try await job.run(
            into: target, from: service, token: token, configuration, logger: Output.logger(log))
    }

    private static func token(
        _ file: String?, mayBeShared: Bool, _ environment: [String: String]
    ) async throws -> String {
        var text = environment["BILLING_TOKEN"] ?? ""
        if let file {
            // Others cannot open a pipe or standard input, as they could a file.
            let bytes =
                InputFile.isRegular(file)
                ? try PrivateFile(path: file, mayBeShared: mayBeShared).read()
                : try await NIOThreadPool.singleton.runIfActive { try InputFile.read(file, bytesMax: 65_536) }
            text = String(decoding: bytes, as: UTF8.self)
        }
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let source = file == nil ? "BILLING_TOKEN" : "--token-file"
        guard !token.isEmpty else { throw CommandFailure("there is no token in BILLING_TOKEN or --token-file") }
        guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CommandFailure("\(source) holds no token, which is one word of visible ASCII characters")
        }
        return token
    }

    // MARK: Zoom itself

    /// Runs a service of its own on a free port of this machine for as long as the export takes.
    private func askZoom(_ job: ExportJob, _ environment: [String: String]) async throws -> Int32? {
        let groups: [any SettingFlags] = [zoomFlags, credentialsFlags, sharedFileFlag, sandboxFlags, commonFlags]
        let own: [Setting: String] = [
            .httpHost: "127.0.0.1", .httpPort: "0", .opsPort: "0", .shutdownDelay: "0s", .shutdownGrace: "0s",
        ]
        let sandbox: [Setting: String] = isSandbox ? [.sandbox: "true"] : [:]
        var reader = try await SettingsReader(
            flags: own.merging(groups.values.merging(sandbox) { first, _ in first }) { first, _ in first },
            environment: environment, file: commonFlags.configuration.file, known: ServeSettings.all)
        var settings = try ServeSettings(&reader, environment: environment)
        // This process alone calls its service: settings for the callers of a service on this machine do not hold for it.
        settings.listener.tls = nil
        settings.listener.configuration.proxyProtocolTrusted = []
        settings.opsHost = "127.0.0.1"
        settings.callers = nil
        settings.refreshInterval = .zero
        let log = Self.log(&reader)
        var job = job
        job.sharesOwners = reader.flag(.allowSharedFile)
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        guard let target = try await job.open(job.identity(service: try Self.identity(of: settings))) else { return 0 }
        do {
            return try await run(job, into: target, settings, Output.logger(log))
        } catch {
            await target.discardIfEmpty()
            throw error
        }
    }

    private func run(
        _ job: ExportJob, into target: ExportTarget, _ settings: ServeSettings, _ logger: Logger
    ) async throws -> Int32 {
        guard let name = Name("export") else { preconditionFailure("no good name") }
        let token = CallerToken.make()
        let guest = (SHA256Digest(of: token), Caller(name: name, scopes: [.billingExport]))
        let application = try await Application(settings, guest: guest, logger: logger)
        let origin = Origin(scheme: .http, host: "127.0.0.1", port: application.address.port ?? 0)
        var configuration = HTTPClient.Configuration()
        configuration.firstByte = .minutes(10)
        return try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                try await application.run()
                return nil
            }
            group.addTask { [configuration] in
                try await job.run(
                    into: target, from: ZoomConfiguration.Endpoint(origin: origin, path: ""), token: token,
                    configuration,
                    logger: logger)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { preconditionFailure("two tasks were added") }
            if let code = first { return code }
            // A signal has ended the service. The export says how far it has come.
            group.cancelAll()
            return try await group.next().flatMap { $0 } ?? 1
        }
    }

    /// What is asked when there is no service: a sandbox, or the master accounts of the credentials.
    private static func identity(of settings: ServeSettings) throws -> [String] {
        switch settings.source {
        case .sandbox(let sandbox): return ["sandbox", "\(sandbox.accounts)", "\(sandbox.seed)"]
        case .real(let file):
            let api = settings.zoom.defaults.api
            do throws(FileProblem) {
                return ["zoom", api.origin.scheme.rawValue, api.origin.authority.lowercased(), api.path]
                    + (try file.read().masters.map { "\($0.name) \($0.credentials.accountID)" }.sorted())
            } catch {
                throw ConfigurationProblem(lines: ["\(Setting.credentialsFile.key): \(error)"])
            }
        }
    }

    /// Warnings only, in plain text, unless the settings say otherwise: the log shares its place with the progress.
    private static func log(_ reader: inout SettingsReader) -> LogSettings {
        var log = LogSettings(&reader)
        if !reader.isGiven(.logLevel) { log.level = .warning }
        if !reader.isGiven(.logFormat) { log.format = .text }
        return log
    }
}
