import Adapters
import ArgumentParser
import Domain
import Logging

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Export the billing of all sub accounts, or of selected ones, to a file.",
        discussion: """
            The export is written to OUTPUT.partial, which is renamed to OUTPUT when it is complete. --resume continues an \
            interrupted export without losing or repeating lines. It requires the same accounts, options and source, and \
            does nothing if OUTPUT is complete.

            \(SourceFlags.discussion)

            --changed-since exports only what has changed since an earlier export, which prints the moment. Accounts that \
            have vanished have lines of the type gone.

            Exit codes: 0 complete, 1 incomplete, 3 complete but some accounts failed, 64 wrong usage, 65 the service does \
            not know all changes since the moment, 75 another process is writing this export, 78 wrong configuration.
            """)

    @Option(help: "File to write to; - for standard output.", completion: .file())
    var output: String

    @Option(
        help: "Data of each account, separated by commas: contact, plans, usage, invoices (default: contact).")
    var include: String?

    @Option(help: "With --include invoices: the first day, yyyy-mm-dd. Within the last three years.")
    var from: String?

    @Option(help: "With --include invoices: the last day, yyyy-mm-dd. At most a year after the first.")
    var to: String?

    @Option(
        help: "Format: ndjson (the lines of accounts, as in the stream) or csv, which has one kind of data.",
        completion: .list(ExportFormat.allCases.map(\.rawValue)))
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

    @Option(
        help:
            "File with the ids of the accounts to export, one per line, or as NDJSON with account_id; - for standard input.",
        completion: .file())
    var accountsFrom: String?

    @Option(
        help:
            "Export only what has changed since this moment, which an earlier export has printed. With --url and ndjson, for one kind of data."
    )
    var changedSince: String?

    @Option(help: "Billing fields to export, separated by commas.")
    var fields: String?

    @Option(help: "Maximum age of cached billing, in seconds (range: 0 to \(Self.secondsRange.upperBound)).")
    var maxAge: Int?

    @Option(help: "How long to retry without success, in seconds (range: 0 to \(Self.secondsRange.upperBound)).")
    var retrySeconds = 600

    @OptionGroup var source: SourceFlags

    /// The range of `max_age` in the API, used for `--retry-seconds` as well.
    private static let secondsRange = 0...1_000_000_000

    func validate() throws {
        for (flag, text) in [("--output", output), ("--accounts-from", accountsFrom)] where text?.isEmpty ?? false {
            throw ValidationError("\(flag) is empty")
        }
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
        try validateChangedSince(encoding)
        if source.readsStandardInput, accountsFrom.map(ServiceFlags.isStandardInput) ?? false {
            throw ValidationError("standard input can be --accounts-from or --token-file, not both")
        }
    }

    private func validateChangedSince(_ encoding: ExportEncoding) throws {
        guard let changedSince else { return }
        guard MillisecondTime(rfc3339: changedSince) != nil else {
            throw ValidationError("--changed-since must be a time like 2026-01-31T12:00:00.250Z")
        }
        guard source.running.url != nil else {
            throw ValidationError("--changed-since requires --url: only a running service knows earlier changes")
        }
        guard accountsFrom == nil else {
            throw ValidationError("--changed-since and --accounts-from exclude each other")
        }
        guard encoding.format == .ndjson else {
            throw ValidationError("--changed-since requires --format ndjson, which has lines of vanished accounts")
        }
        guard encoding.types.count == 1 else {
            throw ValidationError("--changed-since has one kind of data in a file: name one in --include")
        }
    }

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
        let names = include.split(separator: ",", omittingEmptySubsequences: false).map(\.withoutWhitespaceAround)
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
        let names = fields.split(separator: ",", omittingEmptySubsequences: false).map(\.withoutWhitespaceAround)
        guard let unknown = names.first(where: { !ContactFieldNames.inOrder.contains($0) }) else {
            return Set(names).sorted()
        }
        throw ValidationError(
            "--fields: \"\(unknown.withoutControlCharacters)\" is not one of \(ContactFieldNames.inOrder.joined(separator: ", "))"
        )
    }

    func run() async throws {
        let accounts: [AccountID]? =
            if let accountsFrom { try await AccountListInput.read(accountsFrom) } else { nil }
        guard
            let service = try await source.service(
                scopes: [.billingExport, .plansRead, .invoicesRead], logLevel: .warning)
        else { return }
        let job = ExportJob(
            output: output, resumes: resume, encoding: try encoding(),
            request: ExportRun.Request(
                fields: try fieldNames(), maxAge: maxAge, accounts: accounts, types: try recordTypes(),
                period: try invoicePeriod(), changedSince: changedSince),
            retryTime: .seconds(retrySeconds), sharesOwners: service.sharesOwners,
            isOfRunningService: source.running.url != nil,
            display: source.errorDisplay)
        guard let target = try await job.open(job.identity(service: try service.identity())) else { return }
        let status: ExitStatus
        do {
            status = try await service.call { endpoint in
                try await job.run(into: target, from: endpoint, logger: service.logger)
            }
        } catch {
            await target.discardIfEmpty()
            throw error
        }
        if status != .done { throw ExitCode(status.rawValue) }
    }
}
