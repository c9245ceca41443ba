package import Domain
import Synchronization

/// A store of idempotency keys in memory. It records its calls. A test can make chosen calls fail.
package final class FakeIdempotencyStore: IdempotencyStore {
    package enum Call: String, Sendable, CaseIterable {
        case claim
        case willSend
        case finish
        case leaveUnknown
        case release
        case resolve
        case remove
    }

    private struct State {
        var records: [CallerKey: KeyRecord] = [:]
        var sending: Set<KeyClaim> = []
        var calls: [Call] = []
        var failing: Set<Call> = []
        var lastToken: Int64 = 0
        var isVolatile = false
        var attemptsMax = Int.max
    }

    private let state = Mutex(State())

    package init() {}

    package var isDurable: Bool { !state.withLock { $0.isVolatile } }

    /// From now on, the store does not promise that keys survive.
    package func becomeVolatile() { state.withLock { $0.isVolatile = true } }

    /// The lease of each claim ends after this many attempts to send its write.
    package func endLeases(afterAttempts count: Int) { state.withLock { $0.attemptsMax = count } }

    package func maySend(_ claim: KeyClaim) -> Bool {
        state.withLock { state in
            state.attemptsMax -= 1
            return state.attemptsMax >= 0
        }
    }

    package var calls: [Call] { state.withLock { $0.calls } }

    /// Makes calls throw `stateUnavailable`.
    package func fail(_ calls: Set<Call>) { state.withLock { $0.failing = calls } }

    private func perform<Value>(
        _ call: Call, _ body: (inout State) -> Value
    ) throws(BillingFailure) -> Value {
        let value = state.withLock { state -> Value? in
            state.calls.append(call)
            return state.failing.contains(call) ? nil : body(&state)
        }
        guard let value else { throw .stateUnavailable }
        return value
    }

    package func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) async throws(BillingFailure) -> KeyClaimResult {
        try perform(.claim) { state in
            if let record = state.records[key] { return .recorded(record) }
            state.lastToken += 1
            state.records[key] = KeyRecord(request: request, state: .running, recordedAt: now)
            return .claimed(KeyClaim(key: key, fencingToken: state.lastToken))
        }
    }

    package func willSend(_ claim: KeyClaim) async throws(BillingFailure) {
        let isClaimed = try perform(.willSend) { $0.sending.insert(claim).inserted }
        guard isClaimed else { throw .stateUnavailable }
    }

    package func finish(
        _ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try perform(.finish) { Self.set(.finished(outcome), claim.key, &$0) }
    }

    package func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure) {
        try perform(.leaveUnknown) { Self.set(.unknown, claim.key, &$0) }
    }

    package func release(_ claim: KeyClaim) async {
        state.withLock { state in
            state.calls.append(.release)
            state.records[claim.key] = nil
        }
    }

    package func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord? {
        state.withLock { $0.records[key] }
    }

    package func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try perform(.resolve) { Self.set(.finished(outcome), key, &$0) }
    }

    package func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval {
        try perform(.remove) { state in
            guard let record = state.records[key] else { return .absent }
            guard record.state != .running else { return .running }
            state.records[key] = nil
            return .removed
        }
    }

    private static func set(_ value: KeyRecord.State, _ key: CallerKey, _ state: inout State) {
        guard let record = state.records[key] else { return }
        state.records[key] = KeyRecord(request: record.request, state: value, recordedAt: record.recordedAt)
    }
}
