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

    /// Whether the source is a service that runs when the export has ended.
    var isOfRunningService: Bool

    /// What standard error can show.
    var display: TerminalDisplay

    /// What the service may send ahead: more than arrives while a batch is written.
    private static let windowBytes: Int32 = 1 << 20

    /// - Parameter service: Identifies the source.
    func identity(service: [String]) -> ExportIdentity {
        var content = request.fields.map { ["fields " + $0.joined(separator: " ")] } ?? []
        if request.types != [.contact] {
            content.append("include " + request.types.map(\.rawValue).joined(separator: " "))
        }
        if let period = request.period { content.append("invoices from \(period.from) to \(period.to)") }
        if let changedSince = request.changedSince { content.append("changed since \(changedSince)") }
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
        configuration.limits.streamWindowBytes = Self.windowBytes
        configuration.limits.connectionWindowBytes = 2 * Self.windowBytes
        let http = HTTPClient(
            origin: endpoint.url.origin, group: .singleton, configuration: configuration, logger: logger)
        let run = ExportRun(
            http: http, basePath: endpoint.url.path, token: endpoint.token, request: request, time: SystemTime(),
            retryTime: retryTime)
        let result: Result<ExitStatus, any Error>
        do {
            result = .success(try await fetch(run, into: target, endpoint.isRateLimited))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }

    private func fetch(
        _ run: ExportRun, into target: ExportTarget, _ isRateLimited: (@Sendable () -> Bool)?
    ) async throws -> ExitStatus {
        var target = target
        let progress = ExportProgress(
            done: target.position.taken, total: request.accounts?.count, output: output, isRateLimited: isRateLimited,
            display)
        let start = ContinuousClock.now
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await progress.run() }
                defer { group.cancelAll() }
                try await fetch(run, into: &target, progress)
            }
        } catch {
            await target.commitAfterFailure()
            await target.discardIfEmpty()
            throw CommandFailure(
                "incomplete after \(target.position.taken) accounts: \(reason(error))\(hint(target))",
                status: Self.status(of: error))
        }
        summarize(target.position, ContinuousClock.now - start)
        return target.position.failures.isEmpty ? .done : .someAccountsFailed
    }

    private func fetch(_ run: ExportRun, into target: inout ExportTarget, _ progress: ExportProgress) async throws {
        var run = run
        while try await run.page(into: &target, encoding, progress) > 0 {}
        try await target.finish(encoding)
    }

    private static func status(of error: any Error) -> ExitStatus {
        if case .changesUnknown? = error as? ExportRun.Problem { .refused } else { .failed }
    }

    private func reason(_ error: any Error) -> String {
        error is CancellationError || error as? HTTPFailure == .cancelled ? "it was interrupted" : "\(error)"
    }

    private func hint(_ target: ExportTarget) -> String {
        switch target {
        case .file(let file) where file.hasCheckpoint: "; continue it with --resume"
        case .file, .standardOutput: ""
        }
    }

    private func summarize(_ checkpoint: ExportCheckpoint, _ elapsed: Duration) {
        var rows = [["accounts", "\(checkpoint.taken)"]]
        for type in request.types {
            rows.append([ExportCheckpoint.name(of: type), "\(checkpoint.records[type] ?? 0)"])
        }
        if request.changedSince != nil { rows.append(["gone", "\(checkpoint.gone)"]) }
        rows.append(["failures", "\(checkpoint.failureCount)"])
        for (code, count) in checkpoint.failures.sorted(by: { $0.key < $1.key }) {
            rows.append(["  with code \(code)", "\(count)"])
        }
        rows.append(["time", ProgressBar.duration(elapsed / .seconds(1))])
        let width = rows.map { $0[0].count }.max() ?? 0
        for row in rows {
            Output.writeError(row[0] + String(repeating: " ", count: width + 2 - row[0].count) + row[1] + "\n")
        }
        // A service in this process ends with it, and does not know later changes.
        if isOfRunningService, let moment = checkpoint.moment {
            Output.writeError("For what changes from now on: --changed-since \(moment)\n")
        }
    }
}
