import Adapters
import Domain
import Logging
import NIOCore
import NIOPosix

/// One export: its request, its output and its options.
struct ExportJob: Sendable {
    var output: String
    var resumes: Bool
    var encoding: ExportEncoding
    var request: ExportRun.Request

    /// How long a page is retried without success.
    var retryTime: Duration

    /// Whether files that belong to other users may be written.
    var sharesOwners: Bool

    /// The environment variable `TERM`.
    var terminal: String?

    /// - Parameter service: Identifies the source.
    func identity(service: [String]) -> ExportIdentity {
        var content = request.fields.map { ["fields " + $0.joined(separator: " ")] } ?? []
        if request.types != [.contact] {
            content.append("include " + request.types.map(\.rawValue).joined(separator: " "))
        }
        if let period = request.period { content.append("invoices from \(period.from) to \(period.to)") }
        return ExportIdentity(
            accounts: request.accounts.map { $0.map(\.rawValue) }, options: encoding.names + content, service: service)
    }

    /// Opens and locks the file, before the first request to the service.
    ///
    /// - Returns: nil if the file is already complete, which is reported to the user.
    /// - Throws: `ExportFile.InUse`, `FileProblem`.
    func open(_ identity: ExportIdentity) async throws -> ExportTarget? {
        guard output != "-" else { return .standardOutput(ExportCheckpoint(identity: identity)) }
        let opening = try await NIOThreadPool.singleton.runIfActive {
            try ExportFile.open(
                output, resumes: resumes, identity: identity, format: encoding, sharesOwners: sharesOwners)
        }
        switch opening {
        case .ready(let file): return .file(file)
        case .finished(let isRecorded):
            let doubt = isRecorded ? "" : "; its options are not recorded, so they were not compared"
            Output.writeError("billing-service: \(output) is already complete: nothing was done\(doubt)\n")
            return nil
        }
    }

    func run(
        into target: ExportTarget, from endpoint: ServiceEndpoint, logger: Logger
    ) async throws -> ExitStatus {
        var configuration = endpoint.http
        configuration.firstByte = .minutes(10)
        let http = HTTPClient(
            origin: endpoint.url.origin, group: .singleton, configuration: configuration, logger: logger)
        let run = ExportRun(
            http: http, basePath: endpoint.url.path, token: endpoint.token, request: request, time: SystemTime(),
            retryTime: retryTime)
        let result: Result<ExitStatus, any Error>
        do {
            result = .success(try await fetch(run, into: target))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }

    private func fetch(_ run: ExportRun, into target: ExportTarget) async throws -> ExitStatus {
        var (run, target) = (run, target)
        var progress = ExportProgress(done: target.checkpoint.taken, terminal: terminal)
        let start = ContinuousClock.now
        var total = request.accounts?.count
        do {
            while true {
                let checkpoint = target.checkpoint
                let page = try await run.page(after: checkpoint.after, taken: checkpoint.taken) { [total] reason in
                    progress.report(
                        done: checkpoint.taken, total: total, failures: checkpoint.failureCount, waiting: reason)
                }
                guard let page else { break }
                if let begun = checkpoint.scope, let scope = page.scope, begun != scope {
                    throw CommandFailure("it was begun with the token of another caller, or for another master account")
                }
                if !page.records.isEmpty { try await target.append(page, encoding) }
                let done = target.checkpoint.taken
                total = request.accounts?.count ?? done + page.behind
                progress.report(done: done, total: total, failures: target.checkpoint.failureCount)
                if request.accounts == nil, page.behind == 0 { break }
            }
            try await target.finish(encoding)
        } catch {
            progress.end()
            await target.discardIfEmpty()
            throw CommandFailure(
                "incomplete after \(target.checkpoint.taken) accounts: \(reason(error))\(hint(target))")
        }
        progress.end()
        summarize(target.checkpoint, ContinuousClock.now - start)
        return target.checkpoint.failures.isEmpty ? .done : .someAccountsFailed
    }

    private func reason(_ error: any Error) -> String {
        error is CancellationError || error as? HTTPFailure == .cancelled ? "it was interrupted" : "\(error)"
    }

    private func hint(_ target: ExportTarget) -> String {
        switch target {
        case .file(let file) where file.checkpoint.bytes > 0: "; continue it with --resume"
        case .file, .standardOutput: ""
        }
    }

    private func summarize(_ checkpoint: ExportCheckpoint, _ elapsed: Duration) {
        var rows = [["accounts", "\(checkpoint.taken)"]]
        for type in request.types {
            rows.append([ExportCheckpoint.name(of: type), "\(checkpoint.records[type] ?? 0)"])
        }
        rows.append(["failures", "\(checkpoint.failureCount)"])
        for (code, count) in checkpoint.failures.sorted(by: { $0.key < $1.key }) {
            rows.append(["  with code \(code)", "\(count)"])
        }
        rows.append(["time", ProgressBar.duration(elapsed / .seconds(1))])
        let width = rows.map { $0[0].count }.max() ?? 0
        for row in rows {
            Output.writeError(row[0] + String(repeating: " ", count: width + 2 - row[0].count) + row[1] + "\n")
        }
    }
}

/// The output of an export. Writes run on a thread that may block.
enum ExportTarget: Sendable {
    case file(ExportFile)
    case standardOutput(ExportCheckpoint)

    var checkpoint: ExportCheckpoint {
        switch self {
        case .file(let file): file.checkpoint
        case .standardOutput(let checkpoint): checkpoint
        }
    }

    mutating func append(_ page: ExportPage, _ encoding: ExportEncoding) async throws {
        var next = checkpoint
        let bytes = try encoding.bytes(of: page.records, isFirst: next.bytes == 0)
        next.add(page, bytes: bytes.readableBytes)
        try await write(bytes, next)
    }

    private mutating func write(_ bytes: ByteBuffer, _ next: ExportCheckpoint) async throws {
        let target = self
        self = try await NIOThreadPool.singleton.runIfActive {
            switch target {
            case .file(var file):
                try file.append(bytes, next)
                return .file(file)
            case .standardOutput:
                do throws(OutputProblem) {
                    try Output.write(bytes)
                } catch {
                    throw CommandFailure("\(error)")
                }
                return .standardOutput(next)
            }
        }
    }

    mutating func finish(_ encoding: ExportEncoding) async throws {
        if checkpoint.bytes == 0 {
            let bytes = try encoding.bytes(of: [], isFirst: true)
            var next = checkpoint
            next.bytes = bytes.readableBytes
            try await write(bytes, next)
        }
        guard case .file(let file) = self else { return }
        try await NIOThreadPool.singleton.runIfActive { try file.finish() }
    }

    func discardIfEmpty() async {
        guard case .file(let file) = self else { return }
        try? await NIOThreadPool.singleton.runIfActive { file.discardIfEmpty() }
    }
}
