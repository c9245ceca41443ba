package import Domain
package import Logging
package import Metrics
import Synchronization

/// Idempotency keys in an SQLite file, which several processes on one machine can share.
///
/// A write costs two syncs of the disk: before the first byte is sent, and after the outcome is known.
package final class SQLiteIdempotencyStore: IdempotencyStore {
    /// Only the calls of `thread` use the table, one at a time; nil after `close`.
    private let table: Mutex<KeyTable?>
    private let thread = StateThread()
    private let path: String
    private let metrics: StateMetrics
    private let logger: Logger
    private let lastProblem = Mutex<String?>(nil)

    /// Opens the file, or creates it. Blocks.
    ///
    /// - Parameters:
    ///   - window: How long a finished key lives.
    ///   - busyTimeout: How long a call waits for other processes that hold the lock of the file.
    /// - Throws: For a file that cannot be used, with what to do about it.
    package init(
        _ file: PrivateFile, window: Duration, busyTimeout: Duration = .seconds(5),
        metrics: any MetricsFactory = .none, logger: Logger
    ) throws(FileProblem) {
        let opened = try StateFile.open(file, busyTimeout: busyTimeout)
        do {
            let table = try KeyTable(opened, window: window)
            let unknown = try table.settleEndedOwners()
            if unknown > 0 {
                logger.warning(
                    "changes were being sent when their process ended: their outcome is unknown",
                    metadata: ["changes": "\(unknown)", "file": "\(LogText.escaped(file.path))"])
            }
            self.table = Mutex(table)
        } catch {
            throw file.problem("cannot be used: \(error)")
        }
        path = file.path
        self.metrics = StateMetrics(metrics)
        self.logger = logger
    }

    /// Why the last call that used the file failed; nil if it succeeded.
    package var problem: String? { lastProblem.withLock { $0 } }

    /// Closes the file after all earlier calls. Later calls throw `stateUnavailable`.
    package func close() async {
        await thread.run {
            self.table.withLock { table in
                table?.writeRest()
                table = nil
            }
        }
    }

    /// The accounts that were changed within the window, with the last time at which an answer may have shown the account
    /// before the change, in milliseconds since 1970; nil if the file fails.
    package func lastChanges(at now: Timestamp) async -> [AccountID: Int64]? {
        try? await thread.run {
            self.run { table throws(StateFailure) in try table.lastChanges(at: now) }
        }.get()
    }

    // MARK: IdempotencyStore

    package var isDurable: Bool { true }

    package func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) async throws(BillingFailure) -> KeyClaimResult {
        try await callUnlessCancelled(.claim) { table throws(StateFailure) in
            try table.claim(key, for: request, at: now)
        }
    }

    package func willSend(_ claim: KeyClaim) async throws(BillingFailure) {
        try await callUnlessCancelled(.willSend) { table throws(StateFailure) in try table.willSend(claim) }
    }

    package func finish(
        _ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await call(.finish) { table throws(StateFailure) in try table.finish(claim, with: outcome, at: now) }
    }

    package func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure) {
        try await call(.leaveUnknown) { table throws(StateFailure) in try table.leaveUnknown(claim) }
    }

    package func release(_ claim: KeyClaim) async {
        try? await call(.release) { table throws(StateFailure) in try table.release(claim) }
    }

    package func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord? {
        try await callUnlessCancelled(.record) { table throws(StateFailure) in try table.record(of: key, at: now) }
    }

    package func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await callUnlessCancelled(.resolve) { table throws(StateFailure) in
            try table.resolve(key, digest, with: outcome, at: now)
        }
    }

    package func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval {
        try await callUnlessCancelled(.remove) { table throws(StateFailure) in try table.remove(key) }
    }

    // MARK: Calls

    private typealias Body<Value> = @Sendable (KeyTable) throws(StateFailure) -> Value

    private func callUnlessCancelled<Value: Sendable>(
        _ operation: StateMetrics.Operation, _ body: @escaping Body<Value>
    ) async throws(BillingFailure) -> Value {
        let began = ContinuousClock.now
        let ended = await thread.runUnlessCancelled { self.run(body) }
        switch ended {
        case .value(let result): return try self.ended(operation, result, began)
        case .cancelled:
            metrics.count(operation, .cancelled)
            throw .cancelled
        case .refused: return try self.ended(operation, .failure(.overloaded), began)
        }
    }

    private func call<Value: Sendable>(
        _ operation: StateMetrics.Operation, _ body: @escaping Body<Value>
    ) async throws(BillingFailure) -> Value {
        let began = ContinuousClock.now
        let result = await thread.run { self.run(body) }
        return try ended(operation, result, began)
    }

    private func run<Value>(_ body: Body<Value>) -> Result<Value, StateFailure> {
        table.withLock { table in
            guard let table else { return .failure(.closed) }
            return Result { () throws(StateFailure) in try body(table) }
        }
    }

    private func ended<Value>(
        _ operation: StateMetrics.Operation, _ result: Result<Value, StateFailure>, _ began: ContinuousClock.Instant
    ) throws(BillingFailure) -> Value {
        metrics.recordDuration(operation, ContinuousClock.now - began)
        switch result {
        case .success(let value):
            metrics.count(operation, .done)
            report(nil)
            return value
        case .failure(let failure):
            metrics.count(operation, failure == .claimLost ? .claimLost : .failed)
            if failure.concernsFile || failure == .overloaded { report(failure) }
            throw .stateUnavailable
        }
    }

    /// Logs when the file begins to fail, fails in another way, or works again.
    private func report(_ failure: StateFailure?) {
        let problem = failure?.description
        let before = lastProblem.withLock { last in
            defer { last = problem }
            return last
        }
        guard before != problem else { return }
        let metadata: Logger.Metadata = ["file": "\(LogText.escaped(path))"]
        if let problem {
            logger.error(
                "the state file fails: changes are refused",
                metadata: metadata.merging(["reason": "\(problem)"]) { $1 })
        } else {
            logger.notice("the state file works again", metadata: metadata)
        }
    }
}
