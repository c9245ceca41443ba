import Synchronization

/// Changes one account for a caller, once.
///
/// An idempotency key is claimed before anything else, and recorded as sent before the first byte leaves. If the caller goes
/// away earlier, nothing is sent. If it goes away later, the change continues and its outcome is recorded.
package final class WriteAccount: Sendable {
    package struct Rules: Sendable, Equatable {
        /// Whether a change needs an idempotency key.
        package var requiresKey = true

        /// Whether a change is refused while the store cannot promise that its key survives.
        package var requiresDurableStore = false

        /// Whether a change of the billing contact needs a precondition.
        package var requiresPrecondition = false

        /// The longest time in the queue for a permit, and the longest wait for another change of the account.
        package var queueTimeout = Duration.seconds(2)

        /// A change that was not sent within this time is not sent at all: its caller would have no answer. `nil` for no limit.
        package var sendTimeMax: Duration?

        package init() {}
    }

    package struct Request: Sendable {
        /// Whether the account is still as the caller read it. Called with a new answer to `AccountWrite.shownBy`.
        package typealias Precondition = @Sendable (CacheEntry) -> Bool

        package let write: AccountWrite
        package let key: IdempotencyKey?
        package let precondition: Precondition?

        /// `nil` for the longest time that the rules permit.
        package let queueTimeout: Duration?

        /// When the caller began to wait, from which `Rules.sendTimeMax` is counted; `nil` for the start of the change.
        package let arrivedAt: Moment?

        package init(
            _ write: AccountWrite, key: IdempotencyKey? = nil, precondition: Precondition? = nil,
            queueTimeout: Duration? = nil, arrivedAt: Moment? = nil
        ) {
            self.write = write
            self.key = key
            self.precondition = precondition
            self.queueTimeout = queueTimeout
            self.arrivedAt = arrivedAt
        }
    }

    package struct Answer: Sendable, Equatable {
        /// The source's answer; `nil` if it has none.
        package let document: SourceDocument?

        /// The change was made by an earlier request with the same key.
        package let isReplayed: Bool

        package init(document: SourceDocument?, isReplayed: Bool) {
            self.document = document
            self.isReplayed = isReplayed
        }
    }

    /// How a request ended, for its caller and for the audit log.
    package struct Completion: Sendable {
        package let result: Result<Answer, BillingFailure>

        /// The result is that of an earlier request with the same key. Nothing was sent for this one.
        package let isReplayed: Bool

        /// The source's identifier of the exchange; `nil` without an answer of the source.
        package let trackingID: String?

        /// Whether the store has the outcome of the change. Otherwise the key is unknown after a restart.
        package let isRecorded: Bool

        init(
            _ result: Result<Answer, BillingFailure>, isReplayed: Bool = false, trackingID: String? = nil,
            isRecorded: Bool = true
        ) {
            self.result = result
            self.isReplayed = isReplayed
            self.trackingID = trackingID
            self.isRecorded = isRecorded
        }
    }

    /// What a dry run found: the change can be sent.
    package struct DryRun: Sendable, Equatable {
        package let write: AccountWrite
        package let differences: [Difference]
    }

    /// SHA-256.
    package typealias Digest = @Sendable ([UInt8]) -> [UInt8]

    private let writer: any AccountWriter
    private let source: any BillingSource
    private let cache: BillingCache
    private let keys: any IdempotencyStore
    private let rules: Rules
    private let time: any TimeSource
    private let digest: Digest
    private let locks: AccountLocks
    private let running = RunningChanges()

    package init(
        writer: any AccountWriter, source: any BillingSource, cache: BillingCache, keys: any IdempotencyStore,
        rules: Rules, time: any TimeSource, digest: @escaping Digest
    ) {
        self.writer = writer
        self.source = source
        self.cache = cache
        self.keys = keys
        self.rules = rules
        self.time = time
        self.digest = digest
        locks = AccountLocks(time: time)
    }

    // MARK: Changes

    /// Makes a change.
    ///
    /// - Parameter completed: Called once, also if the caller goes away before the change ends.
    package func callAsFunction(
        _ request: Request, for caller: Caller, completed: @escaping @Sendable (Completion) -> Void
    ) async -> Completion {
        let gate = SendingGate()
        let task = running.start { [self] in
            let completion = await completion(of: request, caller, gate)
            await cache.waitUntilChangesAreShared()
            completed(completion)
            return completion
        }
        guard let task else {
            let completion = Completion(.failure(.cancelled))
            completed(completion)
            return completion
        }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            if gate.abandon() { task.cancel() }
        }
    }

    /// Waits for the running changes and refuses new ones.
    package func close() async {
        await running.close()
    }

    /// The number of changes that run now.
    package var runningCount: Int { running.count }

    private func completion(of request: Request, _ caller: Caller, _ gate: SendingGate) async -> Completion {
        let began = time.now
        do throws(BillingFailure) {
            try check(request, caller)
            if rules.requiresDurableStore, await !keys.isDurable { throw .write(.storeNotDurable) }
            guard let key = request.key else {
                return await end(await send(request, caller, nil, gate, began: began), request, nil)
            }
            let keyed = keyedRequest(request.write, key)
            let callerKey = CallerKey(caller: caller.name, master: caller.master, key: key)
            switch try await keys.claim(callerKey, for: keyed, at: time.timestamp) {
            case .claimed(let claim):
                return await end(await send(request, caller, claim, gate, began: began), request, claim)
            case .recorded(let record):
                guard record.request == keyed else { throw .write(.keyReused) }
                return Completion(try await replay(record, callerKey, request.write, caller), isReplayed: true)
            }
        } catch {
            return Completion(.failure(error))
        }
    }

    private func check(_ request: Request, _ caller: Caller) throws(BillingFailure) {
        try caller.require(request.write.operation.rules.callerScope)
        try caller.requireAccess(to: request.write.account)
        if rules.requiresKey, request.key == nil { throw .write(.keyMissing) }
        if rules.requiresPrecondition, request.precondition == nil,
            request.write.operation == .updateBillingInformation
        {
            throw .write(.preconditionMissing)
        }
    }

    private func keyedRequest(_ write: AccountWrite, _ key: IdempotencyKey) -> KeyedRequest {
        // The key makes digests of equal requests differ, so that the digest of a guessed contact cannot be found. A key
        // contains no zero byte.
        let identity = "\(key.rawValue)\0\(write.operation.title)\0\(write.account)\0"
        return KeyedRequest(
            operation: write.operation, account: write.account,
            digest: digest(Array(identity.utf8) + write.body.canonicalBytes()))
    }

    private func queueTimeout(_ requested: Duration?) -> Duration {
        requested.map { min($0, rules.queueTimeout) } ?? rules.queueTimeout
    }

    // MARK: Sending

    private func send(
        _ request: Request, _ caller: Caller, _ claim: KeyClaim?, _ gate: SendingGate, began: Moment
    ) async -> WriteReport {
        let write = request.write
        let queueTimeout = queueTimeout(request.queueTimeout)
        do throws(BillingFailure) {
            try await locks.acquire(write.account, until: began + queueTimeout)
        } catch {
            return WriteReport(.notSent(error))
        }
        defer { locks.release(write.account) }
        do throws(BillingFailure) {
            try await checkState(request, caller)
        } catch {
            return WriteReport(.notSent(error))
        }
        let change = CachedChange(write, cache)
        defer { change.end() }
        let deadline = rules.sendTimeMax.map { (request.arrivedAt ?? began) + $0 }
        return await writer.send(
            write, under: caller.master, for: .write(for: caller.name, queueTimeout: queueTimeout)
        ) { [time, keys] () async throws(BillingFailure) in
            if let deadline, time.now > deadline { throw .timedOut }
            let isFirstAttempt = try gate.send()
            if let claim {
                if isFirstAttempt { try await keys.willSend(claim) }
                guard keys.maySend(claim) else { throw .stateUnavailable }
            }
            change.begin()
        }
    }

    /// Checks the precondition, and the rules that depend on the plans of the account.
    private func checkState(_ request: Request, _ caller: Caller) async throws(BillingFailure) {
        let write = request.write
        if let precondition = request.precondition { try await check(precondition, of: write, caller) }
        guard write.shownBy.operation == .getPlanInformation else { return }
        let plans: AccountPlans
        do throws(BillingFailure) {
            plans = try await writer.plans(
                of: write.account, under: caller.master, for: .interactive(for: caller.name))
        } catch .permissionMissing {
            // The source knows the plans, and refuses a change that they do not permit.
            return
        }
        let violations = write.violations(given: plans)
        guard violations.isEmpty else { throw .write(.notPossible(violations)) }
    }

    private func check(
        _ precondition: Request.Precondition, of write: AccountWrite, _ caller: Caller
    ) async throws(BillingFailure) {
        var directives = CacheDirectives.none
        directives.noCache = true
        let entry = try await cache.entry(
            for: write.shownBy, under: caller.master, for: .interactive(for: caller.name), directives: directives)
        if let failure = entry.failure { throw failure }
        guard precondition(entry) else { throw .write(.preconditionFailed) }
    }

    /// Records the result of a change.
    private func end(_ report: WriteReport, _ request: Request, _ claim: KeyClaim?) async -> Completion {
        var isRecorded = true
        let result: Result<Answer, BillingFailure>
        do throws(BillingFailure) {
            switch report.result {
            case .answered(let outcome):
                result = Self.result(of: outcome)
                if let claim { try await keys.finish(claim, with: outcome, at: time.timestamp) }
            case .unknown:
                result = .failure(.write(.outcomeUnknown(request.write.operation, request.write.account)))
                if let claim { try await keys.leaveUnknown(claim) }
            case .notSent(let failure):
                result = .failure(failure)
                if let claim { await keys.release(claim) }
            }
        } catch {
            isRecorded = false
        }
        return Completion(result, trackingID: report.trackingID, isRecorded: isRecorded)
    }

    private static func result(of outcome: WriteOutcome, isReplayed: Bool = false) -> Result<Answer, BillingFailure> {
        switch outcome {
        case .done(let document): .success(Answer(document: document, isReplayed: isReplayed))
        case .refused(let refusal) where refusal.kind == .selfPay: .failure(.selfPay)
        case .refused(let refusal): .failure(.write(.refused(refusal)))
        }
    }

    // MARK: Repeated requests

    /// - Throws: `keyInUse`, `outcomeUnknown`, `stateUnavailable`, `cancelled`.
    private func replay(
        _ record: KeyRecord, _ key: CallerKey, _ write: AccountWrite, _ caller: Caller
    ) async throws(BillingFailure) -> Result<Answer, BillingFailure> {
        switch record.state {
        case .running: throw .write(.keyInUse)
        case .finished(let outcome): return Self.result(of: outcome, isReplayed: true)
        case .unknown:
            guard await isShown(write, caller) else { throw .write(.outcomeUnknown(write.operation, write.account)) }
            let change = CachedChange(write, cache)
            change.begin()
            change.end()
            let outcome = WriteOutcome.done(nil)
            try await keys.resolve(key, record.request.digest, with: outcome, at: time.timestamp)
            return Self.result(of: outcome, isReplayed: true)
        }
    }

    /// Whether the account shows the change now. `false` if it cannot be read.
    private func isShown(_ write: AccountWrite, _ caller: Caller) async -> Bool {
        do throws(BillingFailure) {
            return write.isShown(by: try await state(showing: write, caller))
        } catch {
            return false
        }
    }

    private func state(showing write: AccountWrite, _ caller: Caller) async throws(BillingFailure) -> AccountState {
        let purpose = Purpose.interactive(for: caller.name)
        guard write.shownBy.operation == .getBillingInformation else {
            return .plans(try await writer.plans(of: write.account, under: caller.master, for: purpose))
        }
        guard
            case .contact(let contact) = try await source.answer(to: write.shownBy, under: caller.master, for: purpose)
        else { throw .sourceFailed }
        return .contact(contact)
    }

    // MARK: Dry runs

    /// Checks a change without sending it: its rules, its precondition, the rules that depend on the state of the account,
    /// and what the source would refuse now because of our credentials or its rate limits.
    ///
    /// - Throws: the failure with which the change would end now.
    package func dryRun(_ request: Request, for caller: Caller) async throws(BillingFailure) -> DryRun {
        let write = request.write
        try caller.requireDryRun(of: write.operation)
        try caller.requireAccess(to: write.account)
        if let precondition = request.precondition { try await check(precondition, of: write, caller) }
        let state = try await state(showing: write, caller)
        let violations =
            switch state {
            case .contact(let contact): write.violations(given: contact)
            case .plans(let plans): write.violations(given: plans)
            }
        guard violations.isEmpty else { throw .write(.notPossible(violations)) }
        try await writer.check(
            write, under: caller.master,
            for: .write(for: caller.name, queueTimeout: queueTimeout(request.queueTimeout)))
        return DryRun(write: write, differences: write.differences(from: state))
    }

    // MARK: Keys

    /// What is recorded of a key of the caller.
    ///
    /// - Throws: `scopeMissing`, `keyNotFound`, `stateUnavailable`, `cancelled`.
    package func record(of key: IdempotencyKey, for caller: Caller) async throws(BillingFailure) -> KeyRecord {
        try caller.requireAnyWrite()
        let key = CallerKey(caller: caller.name, master: caller.master, key: key)
        guard let record = try await keys.record(of: key, at: time.timestamp) else { throw .write(.keyNotFound) }
        return record
    }

    /// Removes a key of the caller: its decision that the outcome of an unknown change is settled. The key may then be used
    /// for a new change.
    ///
    /// - Throws: `scopeMissing`, `keyNotFound`, `keyInUse`, `stateUnavailable`, `cancelled`.
    package func remove(_ key: IdempotencyKey, for caller: Caller) async throws(BillingFailure) {
        try caller.requireAnyWrite()
        switch try await keys.remove(CallerKey(caller: caller.name, master: caller.master, key: key)) {
        case .removed: break
        case .running: throw .write(.keyInUse)
        case .absent: throw .write(.keyNotFound)
        }
    }
}

/// Keeps the cache consistent with one change: `begin` before it is sent, `end` when it has ended.
private final class CachedChange: Sendable {
    private let account: AccountID
    private let invalidated: [Operation]
    private let cache: BillingCache
    private let hasBegun = Atomic(false)

    init(_ write: AccountWrite, _ cache: BillingCache) {
        account = write.account
        if case .write(_, let operations) = write.operation.rules.effect {
            invalidated = operations
        } else {
            invalidated = []
        }
        self.cache = cache
    }

    /// Does nothing if the change has begun, since it may be sent again.
    func begin() {
        guard !hasBegun.exchange(true, ordering: .relaxed) else { return }
        cache.changeBegan(account, invalidating: invalidated)
    }

    /// Does nothing if the change has not begun.
    func end() {
        guard hasBegun.load(ordering: .relaxed) else { return }
        cache.changeEnded(account, invalidating: invalidated)
    }
}
