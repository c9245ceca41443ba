import Domain
import NIOCore
import Synchronization

/// Writes the events of an export as NDJSON. Each line is an object whose first member is `type`.
final class NDJSONLines: ExportBilling.Consumer {
    enum Selection: Sendable {
        case all
        /// Only lines of accounts, for tools that load every line.
        case records
    }

    private let selection: Selection

    /// The requested types, in their order.
    private let types: [RecordType]

    /// The requested members of the contact; `nil` for all.
    private let members: Set<String>?

    /// Whether the stream has only what has changed since a moment.
    private let isOfChanges: Bool

    /// The name of this replica; `nil` if it is the only one.
    private let replica: String?
    private let body: BodyWriter
    private let metrics: StreamMetrics

    private struct State {
        var records = RecordCounts()

        /// Failures by type, without invalid lines of the body.
        var failedRecords = RecordCounts()

        /// The number of failures by code, for the `end` line.
        var failures: [Int: Int] = [:]

        /// Lines that `metrics` has not counted.
        var uncounted = StreamMetrics.Lines()

        /// Lines that will be written together.
        var lines = ByteBuffer()

        /// Events since the last check whether other work on the event loop should run first.
        var eventsSinceCheck = 0

        /// The number of accounts, as `begin` names it.
        var accounts: Int?

        /// Why the stream waits, since its last heartbeat; `nil` after every other line.
        var wait: ExportBilling.Wait?

        /// Whether the reader must read before more can be written.
        var isPaused = false
    }

    /// Used by one writer at a time. `written` reads it from another task.
    private let state = Mutex(State())

    /// Lines are written in batches of this size, since a write costs more than encoding a line.
    private static let linesBytesMax = 16 * 1024

    /// Stored lines of this size together are written without a copy.
    private static let sliceBytesMin = 2048

    /// Events between two such checks, about 30 microseconds.
    private static let eventsPerCheck = 16

    /// The number of lines of each requested type, and of `failure` lines, so far.
    var written: AuditLog.Lines {
        state.withLock { state in
            AuditLog.Lines(
                records: types.map { ($0, state.records[$0]) }, failures: state.failures.values.reduce(0, +))
        }
    }

    struct Progress {
        /// The accounts of which all lines were written.
        let done: Int

        /// `nil` while the number is unknown.
        let accounts: Int?

        /// The lines of accounts.
        let lines: Int
        let state: ServiceStatus.Stream.State
    }

    var progress: Progress {
        state.withLock { state in
            let lines = types.reduce(state.failures.values.reduce(0, +)) { $0 + state.records[$1] }
            return Progress(
                done: lines / max(1, types.count), accounts: state.accounts, lines: lines,
                state: state.isPaused ? .pausedByReader : Self.state(state.wait))
        }
    }

    private static func state(_ wait: ExportBilling.Wait?) -> ServiceStatus.Stream.State {
        switch wait {
        case .accountList: .waitingForAccountList
        case .rateLimit: .waitingForRateLimit
        case .lookup: .waitingForZoom
        case .input: .waitingForInput
        case nil: .running
        }
    }

    init(
        selection: Selection, types: [RecordType], members: Set<String>? = nil, isOfChanges: Bool = false,
        replica: String? = nil, body: BodyWriter, metrics: StreamMetrics
    ) {
        self.selection = selection
        self.types = types
        self.members = members
        self.isOfChanges = isOfChanges
        self.replica = replica
        self.body = body
        self.metrics = metrics
    }

    func take(_ event: ExportBilling.Event) async throws(BillingFailure) {
        if case .run(let run) = event { return try await take(run) }
        let (isFull, isCheckDue) = state.withLock { state in
            write(event, &state)
            state.eventsSinceCheck += 1
            let isCheckDue = state.eventsSinceCheck >= Self.eventsPerCheck
            if isCheckDue { state.eventsSinceCheck = 0 }
            return (state.lines.readableBytes >= Self.linesBytesMax, isCheckDue)
        }
        if isFull {
            try await flush()
        } else if isCheckDue, !body.mayContinue() {
            await body.waitForSlice()
            guard !Task.isCancelled else { throw .cancelled }
        }
    }

    /// Writes the lines of cached answers as they are stored, unless the request asks for a part of them.
    private func take(_ run: AnswerRun) async throws(BillingFailure) {
        let type = RecordType(run.kind)
        let isRewritten = members != nil && type == .contact || run.failureCount > 0 && namesKind(of: type)
        let isWrittenAlone = !isRewritten && run.text.count >= Self.sliceBytesMin
        let isFull = state.withLock { state in
            state.wait = nil
            let answers = run.count - run.failureCount
            state.records[type] += answers
            state.uncounted.records[type] += answers
            state.failedRecords[type] += run.failureCount
            state.uncounted.failures += run.failureCount
            for index in run.failures {
                guard let failure = run[index].failure else { continue }
                state.failures[FailureTable.problem(for: failure).code, default: 0] += 1
            }
            if isRewritten {
                for index in 0..<run.count { rewrite(run[index], type, to: &state.lines) }
            } else if !isWrittenAlone {
                state.lines.writeBytes(run.text)
            }
            return state.lines.readableBytes >= Self.linesBytesMax
        }
        if isWrittenAlone {
            try await flush()
            try await write(ByteBuffer(bytes: run.text))
        } else if isFull || !body.mayContinue() {
            try await flush()
        }
    }

    /// Whether a line of a failure names its kind, other than the stored one.
    private func namesKind(of type: RecordType) -> Bool { type == .contact && !isContactAlone }

    private func rewrite(_ answer: AnswerRun.Answer, _ type: RecordType, to lines: inout ByteBuffer) {
        if let failure = answer.failure {
            lines.writeFailureLine(FailureTable.problem(for: failure), isContactAlone ? nil : type, answer.account)
        } else if let members, type == .contact {
            lines.writeBytes(answer.text[..<answer.body.startIndex])
            lines.writeObject(ByteBuffer(bytes: answer.body), only: members)
            lines.writeBytes(answer.text[answer.body.endIndex...])
        } else {
            lines.writeBytes(answer.text)
        }
    }

    func flush() async throws(BillingFailure) {
        // Here and not below, where the time would count as waiting for the reader.
        if !body.mayContinue() { await body.waitForSlice() }
        // The task may have been cancelled while it waited.
        guard !Task.isCancelled else { throw .cancelled }
        let (lines, count) = state.withLock { state -> (ByteBuffer?, StreamMetrics.Lines) in
            defer { state.uncounted = StreamMetrics.Lines() }
            guard state.lines.readableBytes > 0 else { return (nil, state.uncounted) }
            let lines = state.lines
            state.lines = ByteBufferAllocator().buffer(capacity: Self.linesBytesMax + 2048)
            return (lines, state.uncounted)
        }
        metrics.count(count)
        guard let lines else { return }
        try await write(lines)
    }

    private func write(_ lines: ByteBuffer) async throws(BillingFailure) {
        if body.writeIfReady(lines) { return }
        state.withLock { $0.isPaused = true }
        defer { state.withLock { $0.isPaused = false } }
        do throws(BodyWriter.Closed) {
            try await metrics.pause { () async throws(BodyWriter.Closed) in try await body.write(lines) }
        } catch {
            throw .cancelled
        }
    }

    /// Writes the last line of a stream that failed.
    func end(with problem: ProblemDetails) async {
        let lines = state.withLock { state in
            if selection == .all {
                Self.line("error", to: &state.lines) { object in
                    object.member("status", problem.status)
                    object.member("code", problem.code)
                    object.member("message", problem.message)
                    if let retryAfter = problem.retryAfter { object.member("retry_after", retryAfter) }
                }
            }
            return state.lines
        }
        if lines.readableBytes > 0 { try? await body.write(lines) }
    }

    private func write(_ event: ExportBilling.Event, _ state: inout State) {
        state.wait = nil
        switch event {
        case .answer(let kind, let account, let entry):
            let type = RecordType(kind)
            state.records[type] += 1
            state.uncounted.records[type] += 1
            writeRecord(type, account, entry, to: &state.lines)
        case .failure(let kind, let account, let failure):
            let type = RecordType(kind)
            let problem = FailureTable.problem(for: failure)
            state.failures[problem.code, default: 0] += 1
            state.failedRecords[type] += 1
            state.uncounted.failures += 1
            state.lines.writeFailureLine(problem, isContactAlone ? nil : type, account)
        case .gone(let account, let asOf):
            Self.line("gone", to: &state.lines) { object in
                object.member("account_id", account.rawValue)
                object.member("as_of", asOf.rfc3339)
            }
        case .malformed(let line, let problem):
            state.failures[300, default: 0] += 1
            state.uncounted.failures += 1
            Self.line("failure", to: &state.lines) { object in
                object.member("line", line)
                object.member("status", 400)
                object.member("code", 300)
                object.member("message", problem)
            }
        case .run: preconditionFailure("runs are written by a method of their own")
        case .begin(let accounts, _, _, _):
            state.accounts = accounts
            writeFrame(event, &state)
        case .heartbeat(_, let accounts, let wait):
            state.accounts = accounts ?? state.accounts
            state.wait = wait
            writeFrame(event, &state)
        case .end: writeFrame(event, &state)
        }
    }

    /// The lines have no member for what only other requests need.
    private var isContactAlone: Bool { types == [.contact] }

    /// Writes the cached body as the object of the line.
    private func writeRecord(
        _ type: RecordType, _ account: AccountID, _ entry: CacheEntry, to lines: inout ByteBuffer
    ) {
        let answer = entry.billing
        guard case .body(_, let body) = answer.content else {
            preconditionFailure("failures have events of their own")
        }
        // Ids and times have no characters that JSON escapes.
        lines.writeStaticString(type.head)
        lines.writeString(account.rawValue)
        lines.writeStaticString("\",\"as_of\":\"")
        lines.writeBytes(answer.asOf)
        lines.writeStaticString("\",\"")
        lines.writeStaticString(type.member)
        lines.writeStaticString("\":")
        if let members, type == .contact {
            lines.writeObject(body, only: members)
        } else {
            lines.writeImmutableBuffer(body)
        }
        lines.writeStaticString("}\n")
    }

    private func writeFrame(_ event: ExportBilling.Event, _ state: inout State) {
        guard selection == .all else { return }
        switch event {
        case .begin(let accounts, let after, let remaining, let asOf):
            Self.line("begin", to: &state.lines) { object in
                object.member("accounts", accounts)
                object.member("after", after?.rawValue)
                if let asOf { object.member("as_of", MillisecondTime(milliseconds: asOf).rfc3339) }
                if remaining > 0 { object.member("more", remaining) }
                if let replica { object.member("replica", replica) }
            }
        case .heartbeat(let done, let accounts, let wait):
            state.uncounted.heartbeats += 1
            Self.line("heartbeat", to: &state.lines) { object in
                object.member("done", done)
                object.member("accounts", accounts)
                object.member("waiting", Self.name(of: wait))
            }
        case .end(let summary):
            let byCode = state.failures.sorted { $0.key < $1.key }
            Self.line("end", to: &state.lines) { object in
                object.member("complete") { $0.writeStaticString("true") }
                if summary.remaining > 0 { object.member("more", summary.remaining) }
                object.member("contacts", state.records[.contact])
                object.member("failures", summary.failures)
                object.member("by_code") { buffer in
                    buffer.writeJSONObject { object in
                        for (code, count) in byCode {
                            object.member(named: String(code), text: Array(String(count).utf8))
                        }
                    }
                }
                if !isContactAlone {
                    object.member("by_kind") { buffer in
                        buffer.writeJSONObject { object in
                            for type in types {
                                object.member(named: type.rawValue) { buffer in
                                    buffer.writeJSONObject { counts in
                                        counts.member("records", state.records[type])
                                        counts.member("failures", state.failedRecords[type])
                                    }
                                }
                            }
                        }
                    }
                }
                if isOfChanges {
                    object.member("gone", summary.gone)
                    object.member("unchanged", summary.unchanged)
                }
                object.member("elapsed_ms", Int(summary.elapsed / .milliseconds(1)))
                if let asOf = summary.asOf { object.member("as_of", MillisecondTime(milliseconds: asOf).rfc3339) }
            }
        case .answer, .run, .failure, .gone, .malformed: break
        }
    }

    private static func name(of wait: ExportBilling.Wait) -> String {
        switch wait {
        case .accountList: "zoom-account-list"
        case .rateLimit: "zoom-rate-limit"
        case .lookup: "zoom"
        case .input: "input"
        }
    }

    private static func line(
        _ type: String, to lines: inout ByteBuffer, _ members: (inout JSONMemberWriter) -> Void
    ) {
        lines.writeJSONObject { object in
            object.member("type", type)
            members(&object)
        }
        lines.writeInteger(UInt8(ascii: "\n"))
    }
}

extension ByteBuffer {
    /// Writes an object with only some of its members.
    fileprivate mutating func writeObject(_ object: ByteBuffer, only members: Set<String>) {
        let whole = (try? JSONValue(parsing: Array(object.readableBytesView)))?.object
        writeJSONObject { part in
            for member in whole?.members ?? [] where members.contains(member.name) {
                part.member(named: member.name, text: member.text)
            }
        }
    }
}
