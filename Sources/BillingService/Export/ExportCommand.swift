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
            Asks a running service (--url), or Zoom itself with the credentials of a file, or a sandbox. What has come is in \
            OUTPUT.partial until all of it is there; with --resume an export that was broken off, in whatever way, goes on from \
            there, and nothing is lost or comes twice.

            The token for --url is in the environment as BILLING_TOKEN, or in the file of --token-file: as an argument \
            everybody on this machine could see it.

            Exit codes: 0 complete, 3 complete with failures of accounts, 1 incomplete, 64 wrong usage, 78 wrong configuration.
            """)

    @Option(help: "File to write to; - for standard output.")
    var output: String

    @Option(help: "How it is written: ndjson (the contact and failure lines of the stream) or csv.")
    var format: String = ExportFormat.ndjson.rawValue

    @Flag(help: "Write it as gzip.")
    var compress = false

    @Flag(help: "Go on with an export that was broken off.")
    var resume = false

    @Option(help: "A running service, as https://billing.example.com.")
    var url: String?

    @Option(help: "File with the token for it.")
    var tokenFile: String?

    @Option(
        help:
            "File with the ids of the accounts that are wanted, one a line, or lines of NDJSON with account_id; - for standard input."
    )
    var accountsFrom: String?

    @Option(help: "Fields of the billing that are wanted, with commas between them.")
    var fields: String?

    @Option(help: "How many seconds old the billing may be.")
    var maxAge: Int?

    @Option(help: "Seconds for which it is tried without anything coming.")
    var retrySeconds = 600

    @OptionGroup var zoomFlags: ZoomFlags
    @OptionGroup var credentialsFlags: CredentialsFlags
    @OptionGroup var sharedFileFlag: SharedFileFlag
    @Flag(.sandbox) var isSandbox = false
    @OptionGroup var sandboxFlags: SandboxFlags
    @OptionGroup var commonFlags: CommonFlags

    func validate() throws {
        guard ExportFormat(rawValue: format) != nil else { throw ValidationError("--format is ndjson or csv") }
        guard !resume || output != "-" else { throw ValidationError("what went to standard output cannot be resumed") }
        guard retrySeconds >= 0, maxAge ?? 0 >= 0 else { throw ValidationError("seconds are not negative") }
        if url != nil, isSandbox { throw ValidationError("--url and --sandbox exclude each other") }
    }

    func run() async throws {
        let request = ExportRun.Request(fields: fields, maxAge: maxAge, accounts: try accounts())
        if output != "-", resume, ExportFile.isFinished(output) { return }
        let logger = Output.logger(.warning)
        let code: Int32
        if let url {
            let token = try Self.token(tokenFile)
            code = try await exporting(request, from: try Self.origin(url), token, logger)
        } else {
            code = try await byItself(request, logger)
        }
        if code != 0 { throw ExitCode(code) }
    }

    // MARK: Where it comes from

    private static func origin(_ url: String) throws -> Origin {
        do throws(EndpointProblem) {
            return try ZoomConfiguration.Endpoint(parsing: url).origin
        } catch {
            throw CommandFailure("--url: \(error)")
        }
    }

    private static func token(_ file: String?) throws -> String {
        var token = ProcessInfo.processInfo.environment["BILLING_TOKEN"] ?? ""
        if let file { token = String(decoding: try PrivateFile(path: file).read(), as: UTF8.self) }
        token = token.filter { !$0.isWhitespace }
        guard !token.isEmpty else { throw CommandFailure("there is no token in BILLING_TOKEN or --token-file") }
        return token
    }

    /// A service of its own, on a port of its own, for as long as the export takes.
    private func byItself(_ request: ExportRun.Request, _ logger: Logger) async throws -> Int32 {
        let groups: [any SettingFlags] = [zoomFlags, credentialsFlags, sharedFileFlag, sandboxFlags, commonFlags]
        let own: [Setting: String] = [
            .httpHost: "127.0.0.1", .httpPort: "0", .opsPort: "0", .shutdownDelay: "0s", .shutdownGrace: "0s",
        ]
        let sandbox: [Setting: String] = isSandbox ? [.sandbox: "true"] : [:]
        var reader = try await SettingsReader(
            flags: own.merging(groups.values.merging(sandbox) { first, _ in first }) { first, _ in first },
            environment: ProcessInfo.processInfo.environment, file: commonFlags.configuration.file,
            known: ServeSettings.all)
        let settings = try ServeSettings(&reader, environment: ProcessInfo.processInfo.environment)
        guard let name = Name("export") else { preconditionFailure("no good name") }
        let token = CallerToken.make()
        let guest = (SHA256Digest(of: token), Caller(name: name, scopes: [.billingExport]))
        let application = try await Application(settings, guest: guest, logger: logger)
        let origin = Origin(scheme: .http, host: "127.0.0.1", port: application.address.port ?? 0)
        return try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                try await application.run()
                return nil
            }
            group.addTask { try await exporting(request, from: origin, token, logger) }
            defer { group.cancelAll() }
            // It ends first when it is told to by a signal.
            return try await group.next().flatMap { $0 } ?? 1
        }
    }

    /// The accounts that are wanted: ids, or lines of NDJSON with `account_id`.
    private func accounts() throws -> [AccountID]? {
        guard let accountsFrom else { return nil }
        let data: Data
        do {
            data =
                accountsFrom == "-"
                ? try FileHandle.standardInput.readToEnd() ?? Data() : try Data(contentsOf: URL(filePath: accountsFrom))
        } catch {
            throw CommandFailure("--accounts-from: \(accountsFrom) cannot be read")
        }
        var accounts: [AccountID] = []
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespaces)
            if text.isEmpty { continue }
            let id =
                text.hasPrefix("{") ? (try? JSONValue(parsing: Array(text.utf8)))?.object?["account_id"]?.string : text
            guard let account = id.flatMap({ AccountID($0) }) else {
                throw CommandFailure("--accounts-from: line \(index + 1) names no account")
            }
            accounts.append(account)
        }
        return accounts
    }

    // MARK: Exporting

    /// - Returns: The exit code.
    private func exporting(
        _ request: ExportRun.Request, from origin: Origin, _ token: String, _ logger: Logger
    ) async throws -> Int32 {
        var configuration = HTTPClient.Configuration()
        configuration.firstByte = .minutes(10)
        if origin.scheme == .https { configuration.tls = try TLSContext(clientTrusting: zoomFlags.caFile) }
        let http = HTTPClient(origin: origin, group: .singleton, configuration: configuration, logger: logger)
        let result: Result<Int32, any Error>
        do {
            result = .success(try await export(request, http, token))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }

    private func export(_ request: ExportRun.Request, _ http: HTTPClient, _ token: String) async throws -> Int32 {
        guard let format = ExportFormat(rawValue: format) else { return 64 }
        let description = "\(format.rawValue)\(compress ? ", gzip" : ""), \(request.description)"
        var run = ExportRun(
            http: http, token: token, request: request, time: SystemTime(), retryTime: .seconds(retrySeconds))
        var target =
            output == "-"
            ? ExportTarget.standardOutput(.init())
            : .file(try ExportFile(output, resumes: resume, request: description))
        var progress = ExportProgress(done: target.state.taken)
        let start = ContinuousClock.now
        var total = request.accounts?.count
        if target.state.taken == 0, format.head.readableBytes > 0 {
            try target.append(try coded(format.head)) { _ in }
        }
        do {
            while true {
                let state = target.state
                let failures = state.failures.values.reduce(0, +)
                let page = try await run.page(after: state.after, taken: state.taken) { [total] reason in
                    progress.say(done: state.taken, total: total, failures: failures, waiting: reason)
                }
                guard let page else { break }
                try write(page, format, to: &target)
                let done = target.state.taken
                total = request.accounts?.count ?? done + page.behind
                progress.say(
                    done: done, total: total, failures: target.state.failures.values.reduce(0, +))
                if request.accounts == nil, page.behind == 0 { break }
            }
        } catch {
            progress.end()
            let hint = output == "-" ? "" : "; what there is, is in \(output).partial: go on with --resume"
            throw CommandFailure("incomplete after \(target.state.taken) accounts: \(error)\(hint)")
        }
        progress.end()
        if case .file(let file) = target { try file.finish() }
        summarize(target.state, ContinuousClock.now - start)
        return target.state.failures.isEmpty ? 0 : 3
    }

    private func coded(_ bytes: ByteBuffer) throws -> ByteBuffer {
        compress ? try GzipMember.compress(bytes) : bytes
    }

    private func write(_ page: ExportPage, _ format: ExportFormat, to target: inout ExportTarget) throws {
        guard !page.records.isEmpty else { return }
        var bytes = ByteBuffer()
        format.write(page.records, to: &bytes)
        try target.append(try coded(bytes)) { state in
            state.taken += page.records.count
            state.after = page.records.last?.account ?? state.after
            for record in page.records {
                if record.isFailure {
                    state.failures["\(record.object["code"]?.integer ?? 0)", default: 0] += 1
                } else {
                    state.contacts += 1
                }
            }
        }
    }

    private func summarize(_ state: ExportFile.State, _ elapsed: Duration) {
        let seconds = elapsed / .seconds(1)
        var rows = [
            ["accounts", "\(state.taken)"], ["contacts", "\(state.contacts)"],
            ["failures", "\(state.failures.values.reduce(0, +))"],
        ]
        for (code, count) in state.failures.sorted(by: { $0.key < $1.key }) {
            rows.append(["  with code \(code)", "\(count)"])
        }
        rows.append(["time", ExportProgress.duration(seconds)])
        let width = rows.map { $0[0].count }.max() ?? 0
        for row in rows {
            Output.writeError(row[0] + String(repeating: " ", count: width + 2 - row[0].count) + row[1] + "\n")
        }
    }
}

/// Where an export goes.
private enum ExportTarget {
    case file(ExportFile)
    case standardOutput(ExportFile.State)

    var state: ExportFile.State {
        switch self {
        case .file(let file): file.state
        case .standardOutput(let state): state
        }
    }

    mutating func append(_ bytes: ByteBuffer, _ change: (inout ExportFile.State) -> Void) throws {
        switch self {
        case .file(var file):
            try file.append(bytes, change)
            self = .file(file)
        case .standardOutput(var state):
            do {
                try FileHandle.standardOutput.write(contentsOf: Data(bytes.readableBytesView))
            } catch {
                throw CommandFailure("standard output takes no more")
            }
            change(&state)
            self = .standardOutput(state)
        }
    }
}
