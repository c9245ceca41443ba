import Domain
import NIOCore

/// `/v2/billing/stream`: the billing of accounts as NDJSON. GET streams all sub accounts of the caller. POST streams the accounts
/// that its body lists, and begins to answer before the body is complete.
struct StreamBilling: RouteHandler {
    private let exportBilling: ExportBilling
    private let callers: any CallerDirectory
    private let audit: AuditLog
    private let metrics: StreamMetrics
    private let streams: OpenStreams
    private let time: any TimeSource

    init(
        exportBilling: ExportBilling, callers: any CallerDirectory, audit: AuditLog, metrics: StreamMetrics,
        streams: OpenStreams, time: any TimeSource
    ) {
        self.exportBilling = exportBilling
        self.callers = callers
        self.audit = audit
        self.metrics = metrics
        self.streams = streams
        self.time = time
    }

    private static let mediaTypes = ["application/x-ndjson", "application/jsonl"]

    /// Media types of a body that lists accounts.
    private static let bodyTypes = ["application/x-ndjson", "application/jsonl", "application/json"]

    var route: RouteTable<any RouteHandler>.Route { .init("/v2/billing/stream", [(.get, self), (.post, self)]) }

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let (caller, credential, requestID) = (context.caller, context.credential, context.requestID)
        let isChosen = context.method == .post
        func refuse(_ problem: ProblemDetails) -> Reply {
            audit.export(by: caller, requestID, outcome: .refused, code: problem.code)
            metrics.count(.refused)
            return .now(problem.response(requestID))
        }
        guard let mediaType = AcceptField(of: request).first(of: Self.mediaTypes) else {
            return refuse(FailureTable.notAcceptable)
        }
        var directives = CacheControlField.directives(of: request)
        if directives.noCache, !directives.noStore {
            // The same as `max_age=0`: concurrent streams still share their requests to Zoom.
            directives.noCache = false
            directives.maxAge = .zero
        }
        // Streams are not cached, so none can be answered from the cache (RFC 9111, 5.2.1.7).
        guard !directives.onlyIfCached else { return refuse(FailureTable.problem(for: .notCached)) }
        if isChosen, let type = request.fields.string(.contentType)?.prefix(while: { $0 != ";" }).lowercased(),
            !Self.bodyTypes.contains(type.filter { $0 != " " })
        {
            return refuse(FailureTable.unsupportedMediaType)
        }
        do throws(BillingFailure) {
            let (options, selection, members) = try parameters(of: request, directives, isChosen: isChosen)
            let chosen = isChosen ? NDJSONInput(request.body) : nil
            let export = try exportBilling(options, of: chosen, for: caller)
            let head = Self.head(mediaType, caller, requestID)
            @Sendable func stream(_ export: ExportBilling.Export, _ body: BodyWriter) async -> StreamEnding {
                metrics.began()
                defer { metrics.ended() }
                let lines = NDJSONLines(
                    selection: selection, types: options.kinds.map(RecordType.init), members: members,
                    isOfChanges: options.changedSince != nil, replica: exportBilling.replica, body: body,
                    metrics: metrics)
                streams.began(lines, by: caller.name, requestID)
                defer { streams.ended(lines) }
                let ending = await run(export, to: lines, credential)
                return await close(lines, ending, for: caller, requestID)
            }
            guard export.needsPreparation else {
                return .stream(head) { await stream(export, $0) }
            }
            return .eventuallyStreamed { [self] in
                var prepared = export
                do throws(BillingFailure) {
                    try await prepared.prepare()
                } catch {
                    let problem = FailureTable.problem(for: error)
                    audit.export(by: caller, requestID, outcome: .refused, code: problem.code)
                    metrics.count(.refused)
                    return .whole(problem.response(requestID))
                }
                let export = prepared
                return .stream(head) { await stream(export, $0) }
            }
        } catch {
            return refuse(FailureTable.problem(for: error))
        }
    }

    private func parameters(
        of request: HTTPRequest, _ directives: CacheDirectives, isChosen: Bool
    ) throws(BillingFailure) -> (ExportBilling.Options, NDJSONLines.Selection, members: Set<String>?) {
        let query = try Query(
            request.query,
            allowed: isChosen
                ? Self.parameterNames
                : Self.parameterNames.union(["after", "changed_since", "limit", "sub_reseller_id"]))
        var violations: [BillingFailure.Violation] = []
        func read<Value>(_ name: String, _ message: String, _ read: (String) -> Value?) -> Value? {
            guard let text = query[name] else { return nil }
            let value = read(text)
            if value == nil { violations.append(.init(field: name, message: message)) }
            return value
        }
        func number(_ text: String, _ range: ClosedRange<Int>) -> Int? {
            guard text.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
            return Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
        var options = ExportBilling.Options()
        options.directives = directives
        options.after = read("after", "Invalid field.") { AccountID($0) }
        options.limit = read("limit", "Must be a number from 1 to 10000000.") { number($0, 1...10_000_000) }
        options.maxAge = read("max_age", "Must be seconds, from 0 to 1000000000.") { text in
            number(text, 0...1_000_000_000).map { .seconds($0) }
        }
        let order: ExportBilling.Order? = read("order", "Must be \"arrival\".") { $0 == "arrival" ? .arrival : nil }
        options.order = order ?? .given
        if let filter = read(
            "sub_reseller_id", "Must be 1 to 64 visible characters.", { SubAccountFilter(resellerID: $0) })
        {
            options.filter = filter
        }
        let selection: NDJSONLines.Selection? = read("only", "Must be \"records\".") {
            $0 == "records" ? .records : nil
        }
        let members = read("fields", "Must be names of billing fields with commas between them.") { text in
            let names = Set(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
            return names.isSubset(of: ContactFieldNames.all) ? names : nil
        }
        let types = read("include", Self.includeMessage) { RecordType.list($0) } ?? [.contact]
        var period: InvoicePeriod?
        if types.contains(.invoices) {
            do throws(BillingFailure) {
                period = try InvoicePeriod(
                    from: query["from"], to: query["to"], today: CalendarDate(of: time.timestamp))
            } catch {
                guard case .invalid(let found) = error else { throw error }
                violations += found
            }
        } else {
            for name in ["from", "to"] where query[name] != nil {
                violations.append(.init(field: name, message: "Needs \"invoices\" in \"include\"."))
            }
        }
        if query["fields"] != nil, !types.contains(.contact) {
            violations.append(.init(field: "fields", message: "Needs \"contact\" in \"include\"."))
        }
        options.kinds = types.compactMap { type in
            switch type {
            case .contact: .contact
            case .plans: .plans
            case .usage: .usage
            case .invoices: period.map { .invoices($0) }
            }
        }
        if options.after != nil, options.order == .arrival {
            violations.append(
                .init(
                    field: "after",
                    message: "Cannot be combined with \"order=arrival\", whose lines are no checkpoints."))
        }
        options.changedSince = read("changed_since", "Must be the \"as_of\" of a line \"begin\" or \"end\".") {
            MillisecondTime(rfc3339: $0)?.milliseconds
        }
        if options.changedSince != nil, options.order == .arrival {
            violations.append(.init(field: "changed_since", message: "Cannot be combined with \"order=arrival\"."))
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        return (options, selection ?? .all, members)
    }

    private static let parameterNames: Set<String> = [
        "include", "from", "to", "only", "max_age", "fields", "order",
    ]

    private static let includeMessage =
        "Must be names with commas between them: \(RecordType.allCases.map(\.rawValue).joined(separator: ", "))."

    private static func head(_ mediaType: String, _ caller: Caller, _ requestID: RequestID) -> HTTPResponse {
        var head = HTTPResponse(status: 200)
        head.fields.append(.contentType, mediaType)
        head.fields.append(.cacheControl, "private, no-store")
        head.fields.append(.acceptRanges, "none")
        head.fields.append(.contentTypeOptions, "nosniff")
        // Turns off the response buffering of nginx.
        head.fields.append(.accelBuffering, "no")
        head.fields.append(.accountScope, scope(of: caller))
        requestID.append(to: &head.fields)
        return head
    }

    /// An opaque value that is the same for all streams of one caller and master account. A job that continues an earlier
    /// stream compares it, since the lines of two callers do not fit together.
    private static func scope(of caller: Caller) -> String {
        SHA256Digest(of: "\(caller.master?.rawValue ?? "")\n\(caller.name)").hexadecimal
    }

    private enum Ending: Sendable {
        case exported(Result<Void, BillingFailure>)
        case revoked
    }

    /// Runs the export until it ends or its caller loses the right to it.
    private func run(
        _ export: ExportBilling.Export, to lines: NDJSONLines, _ credential: CallerCredential
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
                await callers.endOfExport(for: credential, begunAs: export.caller)
                return .revoked
            }
            let first = await group.next() ?? .revoked
            // The credential's task also ends when the reader has gone.
            let isGone = Task.isCancelled
            group.cancelAll()
            let second = await group.next() ?? .revoked
            switch (first, second) {
            case (.exported, _): return first
            // The export was complete at the same moment.
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
        metrics.count(outcome)
        audit.export(by: caller, requestID, outcome: outcome, code: problem?.code, lines: lines.written)
        guard let problem else { return .complete }
        // The error line and the reset show that the stream is incomplete.
        await lines.end(with: problem)
        return .broken
    }
}
