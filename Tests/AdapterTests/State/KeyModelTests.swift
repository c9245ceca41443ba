import Adapters
import Domain
import DomainFakes
import Testing

/// Random calls, compared with a dictionary.
@Suite("Idempotency store: model", .timeLimit(.minutes(10)))
struct KeyModelTests {
    private struct Model {
        enum State: Equatable {
            case claimed
            case sending
            case unknown
            case finished(WriteOutcome, at: Timestamp)
        }

        struct Entry {
            var claim: KeyClaim
            var request: KeyedRequest
            var recordedAt: Timestamp
            var state: State
            /// The store of the claim.
            var owner: Int
        }

        var entries: [CallerKey: Entry] = [:]
        var now = Timestamp.start

        func record(_ key: CallerKey) -> KeyRecord? {
            guard let entry = entries[key] else { return nil }
            let state: KeyRecord.State
            switch entry.state {
            case .claimed, .sending: state = .running
            case .unknown: state = .unknown
            case .finished(let outcome, let time):
                if time.after(StoreKind.window) <= now { return nil }
                state = .finished(outcome)
            }
            return KeyRecord(request: entry.request, state: state, recordedAt: entry.recordedAt)
        }

        /// Whether the key is finished and free again. The store may have removed it.
        func isExpired(_ key: CallerKey) -> Bool { entries[key] != nil && record(key) == nil }

        /// The process of a store ends.
        mutating func end(_ owner: Int) {
            for (key, entry) in entries where entry.owner == owner {
                switch entry.state {
                case .claimed: entries[key] = nil
                case .sending: entries[key]?.state = .unknown
                case .unknown, .finished: break
                }
            }
        }
    }

    @Test("random calls answer as a dictionary would", arguments: StoreKind.allCases)
    func calls(kind: StoreKind) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        try await kind.with { store in
            try await Self.compare([store], seed: seed, rounds: 3000) { _ in nil }
        }
    }

    @Test("random calls of two stores with one file, which restart at times, answer as a dictionary would")
    func restarts() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            let stores = try [StoreKind.openSQLite(path), StoreKind.openSQLite(path)]
            try await Self.compare(stores, seed: seed, rounds: 3000) { store in
                await (store as? SQLiteIdempotencyStore)?.close()
                return try StoreKind.openSQLite(path)
            }
        }
    }

    /// - Parameter restart: Ends a store and returns its successor; nil if it cannot be restarted.
    private static func compare(
        _ stores: [any IdempotencyStore], seed: UInt64, rounds: Int,
        restart: (any IdempotencyStore) async throws -> (any IdempotencyStore)?
    ) async throws {
        var random = SeededRandom(seed: seed)
        var stores = stores
        var model = Model()
        var claims: [(claim: KeyClaim, store: Int)] = []
        let keys = try (0..<12).map { try CallerKey("\($0)", caller: $0.isMultiple(of: 2) ? "a" : "b") }
        let outcomes = IdempotencyStoreContract.outcomes.filter { $0 != .done(nil) }.dropFirst(2) + [.done(nil)]
        for round in 0..<rounds {
            let now = model.now
            let comment: Comment = "seed \(seed), round \(round)"
            let index = Int.random(in: 0..<stores.count, using: &random)
            let store = stores[index]
            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
            let request = KeyedRequest.sample("\(Int.random(in: 0..<2, using: &random))")
            let outcome = outcomes[Int.random(in: outcomes.indices, using: &random)]
            // Also claims that are over. A claim is used by the store that made it, or by its successor.
            let old =
                claims.isEmpty ? nil : claims[Int.random(in: max(0, claims.count - 8)..<claims.count, using: &random)]
            func isCurrent(_ claim: KeyClaim, _ states: (Model.State) -> Bool) -> Bool {
                model.entries[claim.key].map { $0.claim == claim && states($0.state) } ?? false
            }
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<30:
                let expected = model.record(key)
                switch try await store.claim(key, for: request, at: model.now) {
                case .recorded(let record): #expect(record == expected, comment)
                case .claimed(let claim):
                    #expect(expected == nil, comment)
                    #expect(!claims.contains { $0.claim == claim }, comment)
                    model.entries[key] = Model.Entry(
                        claim: claim, request: request, recordedAt: model.now, state: .claimed, owner: index)
                    claims.append((claim, index))
                }
            case 30..<50:
                guard let old else { continue }
                let succeeds = isCurrent(old.claim) { $0 == .claimed }
                #expect(await Self.succeeds { try await stores[old.store].willSend(old.claim) } == succeeds, comment)
                if succeeds { model.entries[old.claim.key]?.state = .sending }
            case 50..<65:
                // An expired key may have been removed, and then its claim is over.
                guard let old, !model.isExpired(old.claim.key) else { continue }
                let succeeds = isCurrent(old.claim) { $0 != .claimed }
                let changes = isCurrent(old.claim) { $0 == .sending || $0 == .unknown }
                #expect(
                    await Self.succeeds {
                        try await stores[old.store].finish(old.claim, with: outcome, at: now)
                    } == succeeds, comment)
                if changes { model.entries[old.claim.key]?.state = .finished(outcome, at: now) }
            case 65..<75:
                guard let old, !model.isExpired(old.claim.key) else { continue }
                let succeeds = isCurrent(old.claim) { $0 != .claimed }
                #expect(
                    await Self.succeeds { try await stores[old.store].leaveUnknown(old.claim) } == succeeds, comment)
                if isCurrent(old.claim, { $0 == .sending }) { model.entries[old.claim.key]?.state = .unknown }
            case 75..<82:
                guard let old else { continue }
                await stores[old.store].release(old.claim)
                if isCurrent(old.claim, { $0 == .claimed || $0 == .sending }) { model.entries[old.claim.key] = nil }
            case 82..<88:
                try await store.resolve(key, request.digest, with: outcome, at: model.now)
                if let entry = model.entries[key], entry.state == .unknown, entry.request.digest == request.digest {
                    model.entries[key]?.state = .finished(outcome, at: now)
                }
            case 88..<92:
                let removal = try await store.remove(key)
                switch model.entries[key]?.state {
                case .claimed, .sending: #expect(removal == .running, comment)
                case .unknown: #expect(removal == .removed, comment)
                case .finished: #expect(removal == .removed || model.isExpired(key), comment)
                case nil: #expect(removal == .absent, comment)
                }
                if removal != .running { model.entries[key] = nil }
            case 92..<97: model.now = model.now.after(.seconds(Int.random(in: 0..<20_000, using: &random)))
            default:
                guard let successor = try await restart(store) else { continue }
                stores[index] = successor
                model.end(index)
            }
            let found = try await stores[stores.count - 1].record(of: key, at: model.now)
            try #require(found == model.record(key), comment)
        }
        for store in stores { await (store as? SQLiteIdempotencyStore)?.close() }
    }

    private static func succeeds(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return true
        } catch {
            return false
        }
    }
}
