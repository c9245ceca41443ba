package import Domain
package import Logging
package import Metrics
import ServiceLifecycle
import Synchronization

/// Idempotency keys in Redis, which all replicas share.
///
/// A claim has a lease by Redis' clock. `run` renews the leases of the writes that this process runs. A lease that ends
/// frees a key that was claimed, and makes a key unknown that was sending. So a replica that is killed owns no key after
/// the time of a lease.
///
/// What survives the end of Redis depends on its persistence: see `docs/replicas.md`.
package final class RedisIdempotencyStore: IdempotencyStore, Service {
    /// A change that could not be written yet.
    private enum UnwrittenChange {
        case finished(WriteOutcome, at: Timestamp)
        case unknown
        case released
    }

    /// A claim of this process that has no outcome yet.
    private struct RunningClaim {
        let request: KeyedRequest
        let recordedAt: Timestamp
        var isSent = false
    }

    private struct State {
        var running: [KeyClaim: RunningClaim] = [:]
        var unwritten: [KeyClaim: UnwrittenChange] = [:]
        var problem: String?
    }

    private enum Failure: Error {
        case redis(RedisFailure)
        /// The key has another claim, or is not in the state that the call needs.
        case claimLost
        case unreadable

        /// Whether calls for other keys can succeed: a node of a cluster is away, and others are not.
        var isOfOneNode: Bool { if case .redis(.unavailable) = self { true } else { false } }
    }

    /// How long a claim is valid without a renewal.
    package static let leaseUsual = Duration.seconds(30)

    /// How long a key is stored beyond the window, which the clocks of the replicas decide.
    private static let spareTime = Duration.seconds(3600)

    /// The maximum of changes that wait to be written. Beyond it they are dropped, and their keys become unknown.
    private static let unwrittenMax = 100_000

    /// The maximum time of a call, and of its wait for a connection before it.
    private static let callTime = Duration.seconds(1)

    private let client: RedisClient
    private let window: Duration
    private let lease: Duration
    private let durability: RedisDurability
    private let time: any TimeSource
    private let metrics: StateMetrics
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter window: How long a finished key lives.
    package init(
        _ client: RedisClient, window: Duration, lease: Duration = leaseUsual, time: any TimeSource,
        metrics: any MetricsFactory = .none, logger: Logger
    ) {
        self.client = client
        self.window = window
        self.lease = lease
        durability = RedisDurability(client, time: time)
        self.time = time
        self.metrics = StateMetrics(metrics)
        self.logger = logger
    }

    /// Why the last call failed; nil if it succeeded.
    package var problem: String? { state.withLock { $0.problem } }

    // MARK: Leases

    /// Renews leases and writes the changes that could not be written, until graceful shutdown.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                await maintain()
                // Changes are written soon after Redis is back.
                let pause = state.withLock { $0.unwritten.isEmpty } ? lease / 3 : .milliseconds(250)
                try? await time.sleep(until: time.now + min(pause, lease / 3))
            }
        }
        await writeUnwritten()
    }

    /// Renews each lease once, and writes what could not be written.
    package func maintain() async {
        guard client.isConnected else { return }
        await writeUnwritten()
        for (claim, running) in state.withLock({ $0.running }) {
            let arguments: [[UInt8]] = [
                Self.token(claim), milliseconds(lease), Self.bytes(running.isSent ? "1" : "0"),
                Self.bytes(running.request.operation.storedName), Self.bytes(running.request.account.rawValue),
                running.request.digest, Self.bytes("\(running.recordedAt.secondsSinceEpoch)"),
            ]
            do throws(Failure) {
                if try await call(KeyScripts.renew, claim.key, arguments) == .integer(0) {
                    // Another claim has the key now. A write that was not sent will not be.
                    state.withLock { _ = $0.running.removeValue(forKey: claim) }
                }
            } catch {
                guard error.isOfOneNode else { return }
            }
        }
    }

    // MARK: IdempotencyStore

    package var isDurable: Bool { get async { await durability.isDurable } }

    package func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) async throws(BillingFailure) -> KeyClaimResult {
        try await perform(.claim, of: key, unlessCancelled: true) { () async throws(Failure) in
            let claim = KeyClaim(key: key, fencingToken: .random(in: 1 ... .max))
            let arguments: [[UInt8]] = [
                Self.token(claim), self.milliseconds(self.lease), Self.bytes("\(now.secondsSinceEpoch)"),
                Self.bytes("\(self.window.components.seconds)"), Self.bytes(request.operation.storedName),
                Self.bytes(request.account.rawValue), request.digest,
            ]
            do throws(Failure) {
                if let stored = try Self.stored(try await self.call(KeyScripts.claim, key, arguments)) {
                    guard let record = stored.record else { throw .unreadable }
                    return .recorded(record)
                }
            } catch {
                // The claim may have been made.
                if case .redis(let failure) = error, failure.mayHaveRun { self.remember(.released, of: claim) }
                throw error
            }
            self.state.withLock { $0.running[claim] = RunningClaim(request: request, recordedAt: now) }
            return .claimed(claim)
        }
    }

    package func willSend(_ claim: KeyClaim) async throws(BillingFailure) {
        try await perform(.willSend, of: claim.key, unlessCancelled: true) { () async throws(Failure) in
            let arguments = [Self.token(claim), self.milliseconds(self.lease)]
            guard try await self.call(KeyScripts.willSend, claim.key, arguments) == .integer(1) else {
                throw .claimLost
            }
            self.state.withLock { $0.running[claim]?.isSent = true }
        }
    }

    package func finish(
        _ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await change(.finish, claim, .finished(outcome, at: now))
    }

    package func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure) {
        try await change(.leaveUnknown, claim, .unknown)
    }

    package func release(_ claim: KeyClaim) async {
        try? await change(.release, claim, .released)
    }

    package func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord? {
        try await perform(.record, of: key, unlessCancelled: true) { () async throws(Failure) in
            let arguments = [
                Self.bytes("\(now.secondsSinceEpoch)"), Self.bytes("\(self.window.components.seconds)"),
            ]
            return try Self.stored(try await self.call(KeyScripts.read, key, arguments))?.record
        }
    }

    package func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await perform(.resolve, of: key, unlessCancelled: true) { () async throws(Failure) in
            let arguments =
                [digest, Self.bytes("\(now.secondsSinceEpoch)"), Self.bytes("\(self.window.components.seconds)")]
                + StoredKey.arguments(outcome, at: now, timeToLive: self.window + Self.spareTime)
            _ = try await self.call(KeyScripts.resolve, key, arguments)
        }
    }

    package func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval {
        try await perform(.remove, of: key, unlessCancelled: true) { () async throws(Failure) in
            switch try await self.call(KeyScripts.remove, key, []).string {
            case "removed": return .removed
            case "running": return .running
            case "absent": return .absent
            case _: throw .unreadable
            }
        }
    }

    // MARK: Changes of claims

    /// Writes a change, or remembers it if Redis cannot be reached.
    private func change(
        _ operation: StateMetrics.Operation, _ claim: KeyClaim, _ change: UnwrittenChange
    ) async throws(BillingFailure) {
        state.withLock { _ = $0.running.removeValue(forKey: claim) }
        try await perform(operation, of: claim.key, unlessCancelled: false) { () async throws(Failure) in
            do throws(Failure) {
                try await self.write(change, of: claim)
            } catch {
                switch error {
                case .redis, .unreadable: self.remember(change, of: claim)
                case .claimLost: break
                }
                throw error
            }
        }
    }

    private func write(_ change: UnwrittenChange, of claim: KeyClaim) async throws(Failure) {
        let token = Self.token(claim)
        let reply: RedisValue =
            switch change {
            case .released: try await call(KeyScripts.release, claim.key, [token])
            case .unknown: try await call(KeyScripts.leaveUnknown, claim.key, [token])
            case .finished(let outcome, let now):
                try await call(
                    KeyScripts.finish, claim.key,
                    [token] + StoredKey.arguments(outcome, at: now, timeToLive: window + Self.spareTime))
            }
        guard reply == .integer(1) else { throw .claimLost }
    }

    private func remember(_ change: UnwrittenChange, of claim: KeyClaim) {
        state.withLock { state in
            guard state.unwritten.count < Self.unwrittenMax else { return }
            // A known outcome is not forgotten when the caller then reports that it could not be recorded.
            if case .finished = state.unwritten[claim] { return }
            state.unwritten[claim] = change
        }
    }

    private func writeUnwritten() async {
        for (claim, change) in state.withLock({ $0.unwritten }) {
            do throws(Failure) {
                try await write(change, of: claim)
            } catch {
                switch error {
                case .redis, .unreadable:
                    guard error.isOfOneNode else { return }
                    continue
                case .claimLost: break
                }
            }
            state.withLock { _ = $0.unwritten.removeValue(forKey: claim) }
        }
    }

    // MARK: Calls

    /// Runs `body` in a separate task, so that the cancellation of the caller does not interrupt a call that has begun. Each
    /// call has a deadline.
    private func perform<Value: Sendable>(
        _ operation: StateMetrics.Operation, of key: CallerKey, unlessCancelled: Bool,
        _ body: @escaping @Sendable () async throws(Failure) -> Value
    ) async throws(BillingFailure) -> Value {
        if unlessCancelled, Task.isCancelled {
            metrics.count(operation, .cancelled)
            throw .cancelled
        }
        let began = ContinuousClock.now
        let result = await Task { () async -> Result<Value, Failure> in
            do throws(Failure) {
                _ = await self.client.waitUntilConnected(to: self.name(of: key), within: Self.callTime)
                if !self.state.withLock({ $0.unwritten.isEmpty }) { await self.writeUnwritten() }
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }.value
        metrics.recordDuration(operation, ContinuousClock.now - began)
        switch result {
        case .success(let value):
            metrics.count(operation, .done)
            report(nil)
            return value
        case .failure(.claimLost):
            metrics.count(operation, .claimLost)
            throw .stateUnavailable
        case .failure(.redis(let failure)):
            metrics.count(operation, .failed)
            report("\(failure)")
            throw .stateUnavailable
        case .failure(.unreadable):
            metrics.count(operation, .failed)
            report("a key has a form that this version does not know")
            throw .stateUnavailable
        }
    }

    private func name(of key: CallerKey) -> [UInt8] {
        client.configuration.key("key", "{\(Hexadecimal.encode(key.storedID))}")
    }

    private func call(
        _ script: RedisScript, _ key: CallerKey, _ arguments: [[UInt8]]
    ) async throws(Failure) -> RedisValue {
        do throws(RedisFailure) {
            return try await client.run(
                script, keys: [name(of: key)], arguments: arguments, within: Self.callTime)
        } catch {
            throw .redis(error)
        }
    }

    /// Logs when the keys become unavailable, and when they are available again.
    private func report(_ problem: String?) {
        let before = state.withLock { state in
            defer { state.problem = problem }
            return state.problem
        }
        guard before != problem else { return }
        if let problem {
            logger.error(
                "the idempotency keys in Redis cannot be used: changes are refused", metadata: ["reason": "\(problem)"])
        } else {
            logger.notice("the idempotency keys in Redis can be used again")
        }
    }

    private static func stored(_ reply: RedisValue) throws(Failure) -> StoredKey? {
        do throws(StoredKey.Unreadable) {
            return try StoredKey(reply)
        } catch {
            throw .unreadable
        }
    }

    private static func token(_ claim: KeyClaim) -> [UInt8] { bytes("\(claim.fencingToken)") }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func milliseconds(_ duration: Duration) -> [UInt8] {
        Self.bytes("\(Int64(duration / .milliseconds(1)))")
    }
}
