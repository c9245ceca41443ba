import Domain

/// The idempotency keys in a state file. Its calls block.
///
/// A row is `claimed` before anything was sent, `sending` from just before the first byte until the outcome is written,
/// `unknown`, `done` or `refused`. A row that is claimed by an owner that has ended is free; one that was sending is unknown.
final class KeyTable {
    /// A change that could not be written yet. The rows in the file still have their earlier state.
    private enum UnwrittenChange {
        case finished(WriteOutcome, at: Timestamp)
        case unknown
        case released

        var isOutcome: Bool { if case .finished = self { true } else { false } }
    }

    /// What a row says, together with the changes that could not be written and the owners that have ended.
    private enum Condition {
        case free
        case recorded(KeyRecord)
    }

    /// How many expired rows a claim removes: more than the one that it adds, and too few to delay it.
    private static let expiredMax = 10

    /// The longest time between the claim of a change and its effect: longer than its wait for a permit, its timeouts and
    /// Zoom's processing together.
    private static let effectSecondsMax = 600

    private let file: StateFile
    private let window: Duration
    private var unwritten: [Int64: UnwrittenChange] = [:]

    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let rollback: SQLiteStatement
    private let select: SQLiteStatement
    private let insert: SQLiteStatement
    private let markSending: SQLiteStatement
    private let markFinished: SQLiteStatement
    private let markUnknown: SQLiteStatement
    private let selectFinished: SQLiteStatement
    private let delete: SQLiteStatement
    private let deleteUnfinished: SQLiteStatement
    private let deleteExpired: SQLiteStatement

    /// - Parameter window: How long a finished key lives.
    init(_ file: StateFile, window: Duration) throws(SQLiteFailure) {
        self.file = file
        self.window = window
        let connection = file.connection
        begin = try connection.prepare("BEGIN IMMEDIATE")
        commit = try connection.prepare("COMMIT")
        rollback = try connection.prepare("ROLLBACK")
        select = try connection.prepare(
            """
            SELECT token, state, owner, operation, account, digest, recorded_at, finished_at, document, refusal_kind,
                refusal_code, refusal_message
            FROM idempotency_keys WHERE id = ?
            """)
        insert = try connection.prepare(
            """
            INSERT INTO idempotency_keys (id, state, owner, caller, operation, account, digest, recorded_at)
            VALUES (?, 'claimed', ?, ?, ?, ?, ?, ?)
            """)
        markSending = try connection.prepare(
            "UPDATE idempotency_keys SET state = 'sending' WHERE token = ? AND state = 'claimed'")
        markFinished = try connection.prepare(
            """
            UPDATE idempotency_keys SET state = ?2, finished_at = ?3, document = ?4, refusal_kind = ?5, refusal_code = ?6,
                refusal_message = ?7
            WHERE token = ?1 AND state IN ('sending', 'unknown')
            """)
        markUnknown = try connection.prepare(
            "UPDATE idempotency_keys SET state = 'unknown' WHERE token = ? AND state IN ('sending', 'unknown')")
        selectFinished = try connection.prepare(
            "SELECT 1 FROM idempotency_keys WHERE token = ? AND state IN ('done', 'refused')")
        delete = try connection.prepare("DELETE FROM idempotency_keys WHERE token = ?")
        deleteUnfinished = try connection.prepare(
            "DELETE FROM idempotency_keys WHERE token = ? AND state IN ('claimed', 'sending')")
        deleteExpired = try connection.prepare(
            """
            DELETE FROM idempotency_keys WHERE token IN (
                SELECT token FROM idempotency_keys WHERE finished_at IS NOT NULL AND finished_at <= ?
                ORDER BY finished_at LIMIT \(Self.expiredMax))
            """)
    }

    // MARK: Calls

    func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) throws(StateFailure) -> KeyClaimResult {
        try writeUnwritten()
        return try write(.normal) { () throws(StateFailure) in
            let id = key.storedID
            let old = try row(id)
            if let old, case .recorded(let record) = condition(of: old, at: now) { return (.recorded(record), false) }
            try sql { () throws(SQLiteFailure) in
                if let old { try delete.rows(.integer(old.token)) }
                try deleteExpired.rows(.integer(now.secondsSinceEpoch - windowSeconds))
                try insert.rows(
                    .blob(id), .integer(file.owners.own), .text(key.caller.rawValue),
                    .text(request.operation.storedName), .text(request.account.rawValue), .blob(request.digest),
                    .integer(now.secondsSinceEpoch))
            }
            return (.claimed(KeyClaim(key: key, fencingToken: file.connection.lastInsertedRow)), true)
        }
    }

    func willSend(_ claim: KeyClaim) throws(StateFailure) {
        try writeUnwritten()
        try write(.full) { () throws(StateFailure) in
            try sql { () throws(SQLiteFailure) in try markSending.rows(.integer(claim.fencingToken)) }
            guard file.connection.changedRows == 1 else { throw .claimLost }
            return ((), true)
        }
    }

    func finish(_ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp) throws(StateFailure) {
        try change(claim.fencingToken, .finished(outcome, at: now))
    }

    func leaveUnknown(_ claim: KeyClaim) throws(StateFailure) {
        try change(claim.fencingToken, .unknown)
    }

    func release(_ claim: KeyClaim) throws(StateFailure) {
        try change(claim.fencingToken, .released)
    }

    func record(of key: CallerKey, at now: Timestamp) throws(StateFailure) -> KeyRecord? {
        try? writeUnwritten()
        guard file.isInPlace else { throw .replaced }
        guard let row = try row(key.storedID), case .recorded(let record) = condition(of: row, at: now) else {
            return nil
        }
        return record
    }

    func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) throws(StateFailure) {
        try writeUnwritten()
        try write(.full) { () throws(StateFailure) in
            guard let row = try row(key.storedID), row.record.request.digest == digest,
                case .recorded(let record) = condition(of: row, at: now), record.state == .unknown
            else { return ((), false) }
            try mark(row.token, .finished(outcome, at: now))
            return ((), true)
        }
    }

    func remove(_ key: CallerKey) throws(StateFailure) -> KeyRemoval {
        try writeUnwritten()
        return try write(.normal) { () throws(StateFailure) in
            guard let row = try row(key.storedID) else { return (.absent, false) }
            var removal = KeyRemoval.absent
            if case .recorded(let record) = condition(of: row, at: nil) {
                if record.state == .running { return (.running, false) }
                removal = .removed
            }
            try sql { () throws(SQLiteFailure) in try delete.rows(.integer(row.token)) }
            return (removal, true)
        }
    }

    /// Frees the keys that ended owners had claimed, and marks those as unknown that they were sending.
    ///
    /// - Returns: How many became unknown.
    func settleEndedOwners() throws(StateFailure) -> Int {
        try write(.normal) { () throws(StateFailure) in
            var unknown = 0
            try sql { () throws(SQLiteFailure) in
                let connection = file.connection
                let owners = try connection.prepare(
                    "SELECT DISTINCT owner FROM idempotency_keys WHERE state IN ('claimed', 'sending')"
                ).rows().compactMap { $0.first?.integer }
                let free = try connection.prepare(
                    "DELETE FROM idempotency_keys WHERE owner = ? AND state = 'claimed'")
                let leave = try connection.prepare(
                    "UPDATE idempotency_keys SET state = 'unknown' WHERE owner = ? AND state = 'sending'")
                for owner in owners where !file.owners.lives(owner) {
                    try free.rows(.integer(owner))
                    try leave.rows(.integer(owner))
                    unknown += connection.changedRows
                }
            }
            return (unknown, true)
        }
    }

    /// The accounts that were changed within the window, with the last time at which an answer may have shown the account
    /// before the change, in milliseconds since 1970.
    ///
    /// A change whose outcome is unknown took effect within minutes of its claim, or never.
    func lastChanges(at now: Timestamp) throws(StateFailure) -> [AccountID: Int64] {
        let rows = try sql { () throws(SQLiteFailure) in
            try file.connection.prepare(
                """
                SELECT account, max(coalesce(finished_at + 1, recorded_at + \(Self.effectSecondsMax)))
                FROM idempotency_keys
                WHERE state IN ('sending', 'unknown', 'done', 'refused') AND coalesce(finished_at, recorded_at) > ?
                GROUP BY account
                """
            ).rows(.integer(now.secondsSinceEpoch - windowSeconds))
        }
        var changes: [AccountID: Int64] = [:]
        for row in rows {
            guard let account = row[0].text.flatMap({ AccountID($0) }) else { throw .unreadable(column: "account") }
            guard let seconds = row[1].integer else { throw .unreadable(column: "finished_at") }
            changes[account] = seconds * 1000
        }
        return changes
    }

    /// Tries once more to write what could not be written.
    func writeRest() {
        try? writeUnwritten()
    }

    // MARK: Changes of claims

    /// Writes a change, or remembers it if the file fails.
    private func change(_ token: Int64, _ change: UnwrittenChange) throws(StateFailure) {
        do throws(StateFailure) {
            // In the order in which they were made.
            try writeUnwritten()
            try writeChange(token, change)
        } catch {
            guard error.concernsFile else { throw error }
            // A known outcome is not forgotten when the caller then reports that it could not be recorded.
            if unwritten[token] == nil || change.isOutcome { unwritten[token] = change }
            throw error
        }
    }

    private func writeUnwritten() throws(StateFailure) {
        for (token, change) in unwritten {
            do throws(StateFailure) {
                try writeChange(token, change)
            } catch .claimLost {
                // Nothing is left to write.
            } catch {
                throw error
            }
            unwritten[token] = nil
        }
    }

    private func writeChange(_ token: Int64, _ change: UnwrittenChange) throws(StateFailure) {
        try write(change.isOutcome ? .full : .normal) { () throws(StateFailure) in
            try mark(token, change)
            return ((), true)
        }
    }

    private func mark(_ token: Int64, _ change: UnwrittenChange) throws(StateFailure) {
        let found = try sql { () throws(SQLiteFailure) -> Bool in
            let token = SQLiteValue.integer(token)
            switch change {
            case .released: try deleteUnfinished.rows(token)
            case .unknown: try markUnknown.rows(token)
            case .finished(let outcome, let time):
                let finishedAt = SQLiteValue.integer(time.secondsSinceEpoch)
                switch outcome {
                case .done(let document):
                    let document = document.map { SQLiteValue.blob($0.text) } ?? .null
                    try markFinished.rows(token, .text("done"), finishedAt, document, .null, .null, .null)
                case .refused(let refusal):
                    try markFinished.rows(
                        token, .text("refused"), finishedAt, .null, .text(refusal.kind.rawValue),
                        .integer(Int64(refusal.code)), .text(refusal.message))
                }
            }
            if file.connection.changedRows == 1 { return true }
            // A read has proved the outcome before the answer was there.
            return try !selectFinished.rows(token).isEmpty
        }
        if !found { throw .claimLost }
    }

    // MARK: Rows

    private struct Row {
        let token: Int64
        let state: StoredState
        let owner: Int64
        /// With the state that the row has if its owner lives.
        let record: KeyRecord
        let finishedAt: Timestamp?
    }

    private enum StoredState: String {
        case claimed, sending, unknown, done, refused
    }

    /// - Parameter now: nil if expired rows count.
    private func condition(of row: Row, at now: Timestamp?) -> Condition {
        func recorded(_ state: KeyRecord.State) -> Condition {
            .recorded(KeyRecord(request: row.record.request, state: state, recordedAt: row.record.recordedAt))
        }
        func finished(_ outcome: WriteOutcome, at time: Timestamp) -> Condition {
            if let now, time.secondsSinceEpoch + windowSeconds <= now.secondsSinceEpoch { return .free }
            return recorded(.finished(outcome))
        }
        switch unwritten[row.token] {
        case .released: return .free
        case .unknown: return recorded(.unknown)
        case .finished(let outcome, let time): return finished(outcome, at: time)
        case nil: break
        }
        switch row.state {
        case .claimed: return file.owners.lives(row.owner) ? recorded(.running) : .free
        case .sending: return recorded(file.owners.lives(row.owner) ? .running : .unknown)
        case .unknown: return recorded(.unknown)
        case .done, .refused:
            guard case .finished(let outcome) = row.record.state, let time = row.finishedAt else {
                preconditionFailure("a finished row has an outcome")
            }
            return finished(outcome, at: time)
        }
    }

    private func row(_ id: [UInt8]) throws(StateFailure) -> Row? {
        let rows = try sql { () throws(SQLiteFailure) in try select.rows(.blob(id)) }
        guard let values = rows.first else { return nil }
        func required<Value>(_ value: Value?, _ column: String) throws(StateFailure) -> Value {
            guard let value else { throw .unreadable(column: column) }
            return value
        }
        let state = try required(values[1].text.flatMap(StoredState.init), "state")
        let digest = try required(values[5].blob, "digest")
        guard digest.count == KeyedRequest.digestCount else { throw .unreadable(column: "digest") }
        let request = KeyedRequest(
            operation: try required(values[3].text.flatMap(Operation.init(storedName:)), "operation"),
            account: try required(values[4].text.flatMap { AccountID($0) }, "account"), digest: digest)
        var finishedAt: Timestamp?
        let recordState: KeyRecord.State
        switch state {
        case .claimed, .sending: recordState = .running
        case .unknown: recordState = .unknown
        case .done, .refused:
            finishedAt = Timestamp(secondsSinceEpoch: try required(values[7].integer, "finished_at"))
            if state == .done {
                recordState = .finished(.done(values[8].blob.map { SourceDocument(text: $0) }))
            } else {
                recordState = .finished(
                    .refused(
                        SourceRefusal(
                            kind: try required(values[9].text.flatMap(SourceRefusal.Kind.init), "refusal_kind"),
                            code: Int(try required(values[10].integer, "refusal_code")),
                            message: try required(values[11].text, "refusal_message"))))
            }
        }
        return Row(
            token: try required(values[0].integer, "token"), state: state,
            owner: try required(values[2].integer, "owner"),
            record: KeyRecord(
                request: request, state: recordState,
                recordedAt: Timestamp(secondsSinceEpoch: try required(values[6].integer, "recorded_at"))),
            finishedAt: finishedAt)
    }

    private var windowSeconds: Int64 { window.components.seconds }

    // MARK: Transactions

    private enum Durability: String {
        /// The loss of power may undo the transaction.
        case normal = "NORMAL"
        /// Synced to the disk when it is committed.
        case full = "FULL"
    }

    /// Runs `body` in a transaction.
    ///
    /// - Parameter body: Returns its result, and whether to commit.
    private func write<Value>(
        _ durability: Durability, _ body: () throws(StateFailure) -> (Value, Bool)
    ) throws(StateFailure) -> Value {
        guard file.isInPlace else { throw .replaced }
        let connection = file.connection
        try sql { () throws(SQLiteFailure) in
            // Cannot be prepared: the pragma acts when it is compiled.
            try connection.execute("PRAGMA synchronous = \(durability.rawValue)")
            try begin.rows()
        }
        do throws(StateFailure) {
            let (value, commits) = try body()
            try sql { () throws(SQLiteFailure) in try (commits ? commit : rollback).rows() }
            return value
        } catch {
            // Some failures have ended the transaction already.
            if connection.isInTransaction { _ = try? rollback.rows() }
            throw error
        }
    }

    @discardableResult
    private func sql<Value>(_ body: () throws(SQLiteFailure) -> Value) throws(StateFailure) -> Value {
        do throws(SQLiteFailure) {
            return try body()
        } catch {
            throw .sqlite(error)
        }
    }
}
