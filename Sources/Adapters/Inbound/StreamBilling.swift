import Domain
import NIOCore

/// `GET /v2/billing/stream`: the billing contacts of all sub accounts, or of the caller's, as NDJSON.
struct StreamBilling: Sendable {
    private let exportContacts: ExportContacts
    private let callers: any CallerDirectory
    private let audit: AuditLog

    init(exportContacts: ExportContacts, callers: any CallerDirectory, audit: AuditLog) {
        self.exportContacts = exportContacts
        self.callers = callers
        self.audit = audit
    }

    private static let mediaTypes = ["application/x-ndjson", "application/jsonl"]

    func reply(to request: HTTPRequest, caller: Caller, _ proof: CallerProof, _ requestID: RequestID) -> Reply {
        func refuse(_ problem: ProblemDetails) -> Reply {
            audit.export(by: caller, requestID, outcome: .refused, code: problem.code)
            return .now(problem.response(requestID))
        }
        guard let mediaType = AcceptField(of: request).first(of: Self.mediaTypes) else {
            return refuse(FailureTable.notAcceptable)
        }
        do throws(BillingFailure) {
            let (options, lines) = try Self.parameters(of: request)
            let export = try exportContacts(options, for: caller)
            return .stream(Self.head(mediaType, requestID)) { [self] body in
                let lines = NDJSONLines(selection: lines, body: body)
                let ending = await end(of: export, to: lines, for: caller, proof)
                return await close(lines, ending, for: caller, requestID)
            }
        } catch {
            return refuse(FailureTable.problem(for: error))
        }
    }

    private static func parameters(
        of request: HTTPRequest
    ) throws(BillingFailure) -> (ExportContacts.Options, NDJSONLines.Selection) {
        let query = try Query(request.query, allowed: ["after", "only"])
        var violations: [BillingFailure.Violation] = []
        var options = ExportContacts.Options()
        if let after = query["after"] {
            options.after = AccountID(after)
            if options.after == nil { violations.append(.init(field: "after", message: "Invalid field.")) }
        }
        var selection = NDJSONLines.Selection.all
        if let only = query["only"] {
            if only == "records" {
                selection = .records
            } else {
                violations.append(.init(field: "only", message: "Must be \"records\"."))
            }
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        return (options, selection)
    }

    private static func head(_ mediaType: String, _ requestID: RequestID) -> HTTPResponse {
        var head = HTTPResponse(status: 200)
        head.fields.append(.contentType, mediaType)
        head.fields.append(.cacheControl, "private, no-store")
        head.fields.append(.acceptRanges, "none")
        head.fields.append(.contentTypeOptions, "nosniff")
        // Proxies that gather an answer before they pass it on are asked not to.
        head.fields.append(.accelBuffering, "no")
        requestID.append(to: &head.fields)
        return head
    }

    private enum Ending: Sendable {
        case exported(Result<Void, BillingFailure>)
        case revoked
    }

    /// Runs the export for as long as its caller may have it.
    private func end(
        of export: ExportContacts.Export, to lines: NDJSONLines, for caller: Caller, _ proof: CallerProof
    ) async -> Ending {
        await withTaskGroup(of: Ending.self) { group in
            group.addTask {
                do throws(BillingFailure) {
                    return .exported(.success(try await export.run(to: lines)))
                } catch {
                    return .exported(.failure(error))
                }
            }
            group.addTask { [callers] in
                await callers.endOfExport(for: proof, begunAs: caller)
                return .revoked
            }
            let first = await group.next() ?? .revoked
            // Or the wait was over because the reader has gone.
            let isGone = Task.isCancelled
            group.cancelAll()
            let second = await group.next() ?? .revoked
            switch (first, second) {
            case (.exported, _): return first
            // It may have come to its end at the same moment.
            case (.revoked, .exported(.success)): return second
            case (.revoked, _): return isGone ? second : .revoked
            }
        }
    }

    private func close(
        _ lines: NDJSONLines, _ ending: Ending, for caller: Caller, _ requestID: RequestID
    ) async -> StreamEnding {
        let (outcome, problem): (AuditLog.Outcome, ProblemDetails?) =
            switch ending {
            case .exported(.success): (.complete, nil)
            case .exported(.failure(.cancelled)): (.cancelled, FailureTable.problem(for: .cancelled))
            case .exported(.failure(let failure)): (.failed, FailureTable.problem(for: failure))
            case .revoked: (.revoked, FailureTable.unknownToken)
            }
        let told = lines.told
        audit.export(
            by: caller, requestID, outcome: outcome, code: problem?.code, contacts: told.contacts,
            failures: told.failures)
        guard let problem else { return .complete }
        // Nobody takes a stream for complete that ends like this.
        await lines.end(with: problem)
        return .broken
    }
}
