import Adapters
import ArgumentParser
import Domain
import Logging
import NIOCore
import NIOPosix

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Export the billing of all sub accounts, or of selected ones, to a file.",
        discussion: """
            The source is a running service (--url), Zoom (with credentials.file), or a sandbox. The export is written to \
            OUTPUT.partial, which is renamed to OUTPUT when it is complete. --resume continues an interrupted export \
            without losing or repeating lines. It requires the same accounts, options and source, and does nothing if \
            OUTPUT is complete.

            Pass the token for --url in BILLING_TOKEN or --token-file. It is not an argument, since all users of the \
            machine can see those.

            Exit codes: 0 complete, 1 incomplete, 3 complete but some accounts failed, 64 wrong usage, 75 another process \
            is writing this export, 78 wrong configuration.
            """)

    @Option(help: "File to write to; - for standard output.")
    var output: String

    @Option(
        help: "Data of each account, separated by commas: contact, plans, usage, invoices (default: contact).")
    var include: String?

    @Option(help: "With --include invoices: the first day, yyyy-mm-dd. Within the last three years.")
    var from: String?

    @Option(help: "With --include invoices: the last day, yyyy-mm-dd. At most a year after the first.")
    var to: String?

    @Option(help: "Format: ndjson (the lines of accounts, as in the stream) or csv, which has one kind of data.")
    var format: String = ExportFormat.ndjson.rawValue

    @Flag(help: "Compress the file with gzip.")
    var compress = false

    @Flag(
        help:
            "Make CSV safe for spreadsheets: with a ' before formulas, quotes around all values, and a byte order mark."
    )
    var spreadsheet = false

    @Flag(help: "Continue an interrupted export.")
    var resume = false

    @Option(help: "URL of a running service, such as https://billing.example.com, with its path prefix if it has one.")
    var url: String?

    @Option(help: "File with the token for the service; - for standard input.")
    var tokenFile: String?

    @Option(
        help:
            "File with the ids of the accounts to export, one per line, or as NDJSON with account_id; - for standard input."
    )
    var accountsFrom: String?

    @Option(help: "Billing fields to export, separated by commas.")
    var fields: String?

    @Option(help: "Maximum age of cached billing, in seconds (range: 0 to \(Self.secondsRange.upperBound)).")
    var maxAge: Int?

    @Option(help: "How long to retry without success, in seconds (range: 0 to \(Self.secondsRange.upperBound)).")
    var retrySeconds = 600

    @OptionGroup var zoom: SettingFlags<Settings.Zoom>
    @OptionGroup var credentials: SettingFlags<Settings.Credentials>
    @OptionGroup var sharedFiles: SettingFlags<Settings.SharedFiles>
    @OptionGroup var embeddedSandbox: SettingFlags<Settings.EmbeddedSandbox>
    @OptionGroup var sandbox: SettingFlags<Settings.Sandbox>
    @OptionGroup var commonFlags: CommonFlags

    /// The range of `max_age` in the API, used for `--retry-seconds` as well.
    private static let secondsRange = 0...1_000_000_000

    func validate() throws {
        let texts = [
            ("--output", output), ("--url", url), ("--token-file", tokenFile), ("--accounts-from", accountsFrom),
        ]
        for (flag, text) in texts where text?.isEmpty ?? false { throw ValidationError("\(flag) is empty") }
        let encoding = try encoding()
        if encoding.isForSpreadsheets, encoding.format != .csv {
            throw ValidationError("--spreadsheet requires --format csv")
        }
        guard !resume || output != "-" else { throw ValidationError("--resume requires a file as --output") }
        for (flag, seconds) in [("--max-age", maxAge), ("--retry-seconds", retrySeconds)] {
            guard Self.secondsRange.contains(seconds ?? 0) else {
                throw ValidationError("\(flag) is out of range: 0 to \(Self.secondsRange.upperBound)")
            }
        }
        _ = try fieldNames()
        _ = try invoicePeriod()
        if url != nil {
            if embeddedSandbox.given[Settings.embeddedSandbox.isUsed.key] != nil {
                throw ValidationError("--url and --sandbox exclude each other")
            }
            _ = try service()
        } else if tokenFile != nil {
            throw ValidationError("--token-file requires --url")
        }
        if [accountsFrom, tokenFile].allSatisfy({ $0.map(Self.standardInput.contains) ?? false }) {
            throw ValidationError("standard input can be --accounts-from or --token-file, not both")
        }
    }

    private static let standardInput = ["-", "/dev/stdin"]

    private func encoding() throws -> ExportEncoding {
        guard let format = ExportFormat(rawValue: format) else {
            throw ValidationError("--format must be ndjson or csv")
        }
        let types = try recordTypes()
        guard format == .ndjson || types.count == 1 else {
            throw ValidationError(
                "--format csv has one kind of data in a file: name one in --include, or use --format ndjson")
        }
        return ExportEncoding(
            format: format, types: types, isCompressed: compress, isForSpreadsheets: spreadsheet)
    }

    private func recordTypes() throws -> [RecordType] {
        guard let include else { return [.contact] }
        let names = include.split(separator: ",", omittingEmptySubsequences: false).map { Self.trimmed($0) }
        guard let unknown = names.first(where: { RecordType(rawValue: $0) == nil }) else {
            return RecordType.list(names.joined(separator: ",")) ?? []
        }
        throw ValidationError(
            "--include: \"\(unknown.withoutControlCharacters)\" is not one of \(RecordType.allCases.map(\.rawValue).joined(separator: ", "))"
        )
    }

    private func invoicePeriod() throws -> InvoicePeriod? {
        guard try recordTypes().contains(.invoices) else {
            guard from == nil, to == nil else { throw ValidationError("--from and --to require --include invoices") }
            return nil
        }
        do throws(BillingFailure) {
            return try InvoicePeriod(from: from, to: to, today: CalendarDate(of: SystemTime().timestamp))
        } catch {
            guard case .invalid(let violations) = error else { throw error }
            throw ValidationError(violations.map { "--\($0.field): \($0.message)" }.joined(separator: " "))
        }
    }

    /// Sorted, each once.
    private func fieldNames() throws -> [String]? {
        guard let fields else { return nil }
        guard try recordTypes().contains(.contact) else {
            throw ValidationError("--fields selects members of contacts, which --include does not name")
        }
        let names = fields.split(separator: ",", omittingEmptySubsequences: false).map {
            Self.trimmed($0)
        }
        guard let unknown = names.first(where: { !ContactFieldNames.inOrder.contains($0) }) else {
            return Set(names).sorted()
        }
        throw ValidationError(
            "--fields: \"\(unknown.withoutControlCharacters)\" is not one of \(ContactFieldNames.inOrder.joined(separator: ", "))"
        )
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop(while: \.isWhitespace)
        return start.lastIndex { !$0.isWhitespace }.map { String(start[...$0]) } ?? ""
    }

    private func service() throws -> ZoomConfiguration.ServiceURL? {
        guard let url else { return nil }
        do throws(HTTPURL.Problem) {
            return ZoomConfiguration.ServiceURL(try HTTPURL(parsing: url))
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
            request: ExportRun.Request(
                fields: try fieldNames(), maxAge: maxAge, accounts: accounts, types: try recordTypes(),
                period: try invoicePeriod()),
            retryTime: .seconds(retrySeconds), sharesOwners: false,
            terminal: environment["TERM"])
        let code =
            if let service = try service() {
                try await export(from: service, job, environment)
            } else {
                try await exportFromZoom(job, environment)
            }
        guard let code else { return }
        if code != 0 { throw ExitCode(code) }
    }

    // MARK: A running service

    /// - Returns: The exit code; nil if the settings were printed.
    private func export(
        from service: ZoomConfiguration.ServiceURL, _ job: ExportJob, _ environment: [String: String]
    ) async throws -> Int32? {
        var reader = try await SettingsReader(
            flags: givenSettings, environment: environment, file: commonFlags.configuration.file,
            groups: Settings.ofService)
        let zoom = ZoomSettings(&reader, environment: environment)
        let log = Self.log(&reader)
        let mayBeShared = reader.value(Settings.sharedFiles.areAllowed)
        try reader.finish()
        if commonFlags.printsConfiguration {
            try Output.write(reader.description)
            return nil
        }
        var configuration = HTTPClient.Configuration()
        configuration.firstByte = .minutes(10)
        if service.origin.scheme == .https {
            // The CA certificates and the proxy are the same as for Zoom.
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
            // Other users cannot open a pipe or standard input, unlike a file.
            let bytes =
                InputFile.isRegular(file)
                ? try PrivateFile(path: file, mayBeShared: mayBeShared).read()
                : try await NIOThreadPool.singleton.runIfActive { try InputFile.read(file, bytesMax: 65_536) }
            text = String(decoding: bytes, as: UTF8.self)
        }
        let token = Self.trimmed(text)
        let source = file == nil ? "BILLING_TOKEN" : "--token-file"
        guard !token.isEmpty else { throw CommandFailure("no token in BILLING_TOKEN or --token-file") }
        guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CommandFailure("\(source) contains no token: a token is one word of visible ASCII characters")
        }
        return token
    }

    // MARK: Zoom

    /// Runs a service on a free port of this machine until the export ends.
    private func exportFromZoom(_ job: ExportJob, _ environment: [String: String]) async throws -> Int32? {
        let fixed = [
            Settings.http.host.key: "127.0.0.1", Settings.http.port.key: "0", Settings.ops.port.key: "0",
            Settings.shutdown.delay.key: "0s", Settings.shutdown.grace.key: "0s",
        ]
        var reader = try await SettingsReader(
            flags: fixed.merging(givenSettings) { first, _ in first }, environment: environment,
            file: commonFlags.configuration.file, groups: Settings.ofService)
        var settings = try ServeSettings(&reader, environment: environment)
        // Only this process calls its service, so the settings for other callers do not apply.
        settings.listener.tls = nil
        settings.listener.configuration.proxyProtocolTrusted = []
        settings.opsHost = "127.0.0.1"
        settings.callers = nil
        settings.refreshInterval = .zero
        let log = Self.log(&reader)
        var job = job
        job.sharesOwners = reader.value(Settings.sharedFiles.areAllowed)
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
        guard let name = Name("export") else { preconditionFailure("the name is not valid") }
        let token = CallerToken.make()
        let guest = Guest(
            digest: SHA256Digest(of: token),
            caller: Caller(name: name, scopes: [.billingExport, .plansRead, .invoicesRead]))
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
                    into: target, from: ZoomConfiguration.ServiceURL(origin: origin, path: ""), token: token,
                    configuration,
                    logger: logger)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { preconditionFailure("two tasks were added") }
            if let code = first { return code }
            // A signal has ended the service. The export reports its progress.
            group.cancelAll()
            return try await group.next().flatMap { $0 } ?? 1
        }
    }

    /// Identifies the source without a running service: a sandbox, or the master accounts of the credentials file.
    private static func identity(of settings: ServeSettings) throws -> [String] {
        switch settings.source {
        case .sandbox(let sandbox): return ["sandbox", "\(sandbox.accounts)", "\(sandbox.seed)"]
        case .real(let file):
            let api = settings.zoom.defaults.api
            do throws(FileProblem) {
                return ["zoom", api.origin.scheme.rawValue, api.origin.authority.lowercased(), api.path]
                    + (try file.read().masters.map { "\($0.name) \($0.credentials.accountID)" }.sorted())
            } catch {
                throw ConfigurationProblem(Settings.credentials.file.definition, error)
            }
        }
    }

    /// By default, logs warnings only, in plain text: the log and the progress share standard error.
    private static func log(_ reader: inout SettingsReader) -> LogSettings {
        var log = LogSettings(&reader)
        if !reader.isGiven(Settings.log.level) { log.level = .warning }
        if !reader.isGiven(Settings.log.format) { log.format = .text }
        return log
    }
}
