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
    private struct State {
        var holder: KeyHolder
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

    /// The maximum time of a call, and of its wait for a connection before it.
    private static let callTime = Duration.seconds(1)

    private let client: RedisClient
    private let rules: KeyLedger.Rules
    private let scripts = KeyScripts()
    private let durability: RedisDurability
    private let time: any TimeSource
    private let metrics: StateMetrics
    private let logger: Logger
    private let state: Mutex<State>

    /// - Parameter window: How long a finished key lives.
    package init(
        _ client: RedisClient, window: Duration, lease: Duration = leaseUsual, time: any TimeSource,
        metrics: any MetricsFactory = .none, logger: Logger
    ) {
        self.client = client
        rules = KeyLedger.Rules(lease: Int64(lease / .milliseconds(1)), window: window.components.seconds)
        state = Mutex(State(holder: KeyHolder(lease: lease)))
        durability = RedisDurability(client, time: time)
        self.time = time
        self.metrics = StateMetrics(metrics)
        self.logger = logger
    }

    /// Why the last call failed; nil if it succeeded.
    package var problem: String? { state.withLock { $0.problem } }

    // MARK: Leases

    /// Renews leases and records the endings that could not be recorded, until graceful shutdown.
    package func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                await maintain()
                let interval = state.withLock { $0.holder.maintenanceInterval }
                try? await time.sleep(until: time.now + interval)
            }
        }
        await recordRemembered()
    }

    /// Renews each lease once, and records what could not be recorded.
    package func maintain() async {
        guard client.isConnected else { return }
        await recordRemembered()
        for claim in state.withLock({ $0.holder.runningClaims }) {
            guard let command = state.withLock({ $0.holder.renewal(of: claim) }) else { continue }
            let called = time.now
            do throws(Failure) {
                let reply = try await call(command, claim.key)
                state.withLock { $0.holder.renewed(claim, reply, called: called) }
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
            let write = ClaimedWrite(request, at: now)
            let reply: KeyReply
            do throws(Failure) {
                reply = try await self.call(.claim(write, token: claim.fencingToken), key)
            } catch {
                if case .redis(let failure) = error, failure.mayHaveRun {
                    self.state.withLock { $0.holder.mayHaveClaimed(claim) }
                }
                throw error
            }
            if case .recorded(let record, _) = reply { return .recorded(record) }
            guard reply == .done else { throw .unreadable }
            self.state.withLock { $0.holder.claimed(claim, for: write) }
            return .claimed(claim)
        }
    }

    package func willSend(_ claim: KeyClaim) async throws(BillingFailure) {
        try await perform(.willSend, of: claim.key, unlessCancelled: true) { () async throws(Failure) in
            let called = self.time.now
            let reply = try await self.call(.willSend(token: claim.fencingToken), claim.key)
            guard reply == .done else { throw .claimLost }
            self.state.withLock { $0.holder.willSend(claim, called: called) }
        }
    }

    package func maySend(_ claim: KeyClaim) -> Bool {
        state.withLock { $0.holder.maySend(claim, at: time.now) }
    }

    package func finish(
        _ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await end(.finish, claim, .finished(outcome, at: now))
    }

    package func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure) {
        try await end(.leaveUnknown, claim, .unknown)
    }

    package func release(_ claim: KeyClaim) async {
        try? await end(.release, claim, .released)
    }

    package func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord? {
        try await perform(.record, of: key, unlessCancelled: true) { () async throws(Failure) in
            switch try await self.call(.read(at: now), key) {
            case .free: return nil
            case .recorded(let record, _): return record
            case .done, .refused, .removal: throw .unreadable
            }
        }
    }

    package func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try await perform(.resolve, of: key, unlessCancelled: true) { () async throws(Failure) in
            _ = try await self.call(.resolve(outcome, at: now, digest: digest), key)
        }
    }

    package func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval {
        try await perform(.remove, of: key, unlessCancelled: true) { () async throws(Failure) in
            // A command that arrives late must not remove what was recorded since. At the time 0, no window has ended.
            let beginning = Timestamp(secondsSinceEpoch: 0)
            while true {
                guard case .recorded(let record, let token) = try await self.call(.read(at: beginning), key) else {
                    return .absent
                }
                let isFinished: Bool
                switch record.state {
                case .running: return .running
                case .unknown: isFinished = false
                case .finished: isFinished = true
                }
                switch try await self.call(.remove(token: token, isFinished: isFinished), key) {
                case .removal(let removal): return removal
                case .refused: continue
                case .done, .free, .recorded: throw .unreadable
                }
            }
        }
    }

    // MARK: Endings

    /// Records how a write ended, or remembers it if Redis cannot be reached.
    private func end(
        _ operation: StateMetrics.Operation, _ claim: KeyClaim, _ ending: KeyHolder.Ending
    ) async throws(BillingFailure) {
        let ended = state.withLock { $0.holder.end(claim, ending) }
        try await perform(operation, of: ended.claim.key, unlessCancelled: false) { () async throws(Failure) in
            do throws(Failure) {
                try await self.record(ended)
            } catch {
                switch error {
                case .redis, .unreadable: self.state.withLock { $0.holder.remember(ended) }
                case .claimLost: break
                }
                throw error
            }
        }
    }

    private func record(_ ended: KeyHolder.EndedClaim) async throws(Failure) {
        guard try await call(ended.command, ended.claim.key) == .done else { throw .claimLost }
    }

    private func recordRemembered() async {
        for ended in state.withLock({ $0.holder.unrecordedClaims }) {
            do throws(Failure) {
                try await record(ended)
            } catch {
                switch error {
                case .redis, .unreadable:
                    guard error.isOfOneNode else { return }
                    continue
                case .claimLost: break
                }
            }
            state.withLock { $0.holder.recorded(ended) }
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
                if self.state.withLock({ $0.holder.hasUnrecorded }) { await self.recordRemembered() }
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

    private func call(_ command: KeyCommand, _ key: CallerKey) async throws(Failure) -> KeyReply {
        let (script, arguments) = scripts.script(for: command, rules)
        let value: RedisValue
        do throws(RedisFailure) {
            value = try await client.run(
                script, keys: [name(of: key)], arguments: arguments, within: Self.callTime)
        } catch {
            throw .redis(error)
        }
        guard let reply = KeyReply(value) else { throw .unreadable }
        return reply
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
}
