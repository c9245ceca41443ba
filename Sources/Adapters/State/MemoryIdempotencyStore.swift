import DequeModule
package import Domain
import Synchronization

/// Idempotency keys in memory. All of them are lost when the process ends, so a write that is repeated after that is sent
/// again.
package final class MemoryIdempotencyStore: IdempotencyStore {
    private enum State {
        case claimed
        case sending
        case unknown
        case finished(WriteOutcome, at: Timestamp)
    }

    private struct Entry {
        let token: Int64
        let request: KeyedRequest
        let recordedAt: Timestamp
        var state: State
    }

    private struct Entries {
        var lastToken: Int64 = 0
        var byKey: [CallerKey: Entry] = [:]

        /// The keys that finished, the first to expire first. Some may have been removed since.
        var finished: Deque<(key: CallerKey, token: Int64)> = []
    }

    /// Some 500 bytes each. Zoom's daily limits permit 60,000 writes.
    package static let keysMaxUsual = 200_000

    /// How many expired keys a claim removes.
    private static let expiredMax = 10

    private let window: Int64
    private let keysMax: Int
    private let entries = Mutex(Entries())

    /// - Parameters:
    ///   - window: How long a finished key lives.
    ///   - keysMax: When it has this number of keys, further claims fail. To remove an old key could send its write again.
    package init(window: Duration, keysMax: Int = keysMaxUsual) {
        self.window = window.components.seconds
        self.keysMax = keysMax
    }

    package var isDurable: Bool { false }

    package func claim(
        _ key: CallerKey, for request: KeyedRequest, at now: Timestamp
    ) async throws(BillingFailure) -> KeyClaimResult {
        try Self.checkCancellation()
        return try withEntries { entries throws(BillingFailure) in
            if let record = record(entries.byKey[key], at: now) { return .recorded(record) }
            removeExpired(&entries, at: now)
            entries.byKey[key] = nil
            guard entries.byKey.count < keysMax else { throw .stateUnavailable }
            entries.lastToken += 1
            entries.byKey[key] = Entry(
                token: entries.lastToken, request: request, recordedAt: now, state: .claimed)
            return .claimed(KeyClaim(key: key, fencingToken: entries.lastToken))
        }
    }

    package func willSend(_ claim: KeyClaim) async throws(BillingFailure) {
        try Self.checkCancellation()
        try change(claim) { entry in
            guard case .claimed = entry.state else { return false }
            entry.state = .sending
            return true
        }
    }

    package func finish(
        _ claim: KeyClaim, with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try withEntries { entries throws(BillingFailure) in
            guard let entry = entries.byKey[claim.key], entry.token == claim.fencingToken else {
                throw .stateUnavailable
            }
            switch entry.state {
            case .claimed: throw .stateUnavailable
            case .sending, .unknown: finish(claim.key, entry, with: outcome, at: now, &entries)
            case .finished: break
            }
        }
    }

    package func leaveUnknown(_ claim: KeyClaim) async throws(BillingFailure) {
        try change(claim) { entry in
            switch entry.state {
            case .claimed: return false
            case .sending: entry.state = .unknown
            case .unknown, .finished: break
            }
            return true
        }
    }

    package func release(_ claim: KeyClaim) async {
        entries.withLock { entries in
            guard let entry = entries.byKey[claim.key], entry.token == claim.fencingToken else { return }
            switch entry.state {
            case .claimed, .sending: entries.byKey[claim.key] = nil
            case .unknown, .finished: break
            }
        }
    }

    package func record(of key: CallerKey, at now: Timestamp) async throws(BillingFailure) -> KeyRecord? {
        try Self.checkCancellation()
        return entries.withLock { record($0.byKey[key], at: now) }
    }

    package func resolve(
        _ key: CallerKey, _ digest: [UInt8], with outcome: WriteOutcome, at now: Timestamp
    ) async throws(BillingFailure) {
        try Self.checkCancellation()
        entries.withLock { entries in
            guard let entry = entries.byKey[key], entry.request.digest == digest, case .unknown = entry.state else {
                return
            }
            finish(key, entry, with: outcome, at: now, &entries)
        }
    }

    package func remove(_ key: CallerKey) async throws(BillingFailure) -> KeyRemoval {
        try Self.checkCancellation()
        return entries.withLock { entries in
            switch entries.byKey[key]?.state {
            case nil: return .absent
            case .claimed, .sending: return .running
            case .unknown, .finished:
                entries.byKey[key] = nil
                return .removed
            }
        }
    }

    private static func checkCancellation() throws(BillingFailure) {
        if Task.isCancelled { throw .cancelled }
    }

    private func withEntries<Value: Sendable>(
        _ body: (inout Entries) throws(BillingFailure) -> Value
    ) throws(BillingFailure) -> Value {
        try entries.withLock { entries throws(BillingFailure) in try body(&entries) }
    }

    /// - Parameter body: Returns whether the entry has the state that the change needs.
    private func change(_ claim: KeyClaim, _ body: (inout Entry) -> Bool) throws(BillingFailure) {
        try withEntries { entries throws(BillingFailure) in
            guard var entry = entries.byKey[claim.key], entry.token == claim.fencingToken, body(&entry) else {
                throw .stateUnavailable
            }
            entries.byKey[claim.key] = entry
        }
    }

    private func finish(
        _ key: CallerKey, _ entry: Entry, with outcome: WriteOutcome, at now: Timestamp, _ entries: inout Entries
    ) {
        entries.byKey[key]?.state = .finished(outcome, at: now)
        entries.finished.append((key, entry.token))
    }

    private func record(_ entry: Entry?, at now: Timestamp) -> KeyRecord? {
        guard let entry else { return nil }
        let state: KeyRecord.State
        switch entry.state {
        case .claimed, .sending: state = .running
        case .unknown: state = .unknown
        case .finished(let outcome, let time):
            if isExpired(time, at: now) { return nil }
            state = .finished(outcome)
        }
        return KeyRecord(request: entry.request, state: state, recordedAt: entry.recordedAt)
    }

    private func isExpired(_ finishedAt: Timestamp, at now: Timestamp) -> Bool {
        finishedAt.secondsSinceEpoch + window <= now.secondsSinceEpoch
    }

    private func removeExpired(_ entries: inout Entries, at now: Timestamp) {
        for _ in 0..<Self.expiredMax {
            guard let first = entries.finished.first else { return }
            if let entry = entries.byKey[first.key], entry.token == first.token {
                guard case .finished(_, let time) = entry.state, isExpired(time, at: now) else { return }
                entries.byKey[first.key] = nil
            }
            entries.finished.removeFirst()
        }
    }
}
