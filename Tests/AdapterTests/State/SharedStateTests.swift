import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("State file: restarts and several processes", .timeLimit(.minutes(10)))
struct SharedStateTests {
    @Test("after a restart finished keys answer, unknown keys are unknown, and keys of unsent writes are free")
    func restart() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            let names = ["claimed", "sending", "unknown", "finished", "released"]
            let keys = try names.map { try CallerKey($0) }
            try await StoreKind.withSQLite(path) { store in
                _ = try await store.claimed(keys[0])
                try await store.willSend(try await store.claimed(keys[1]))
                try await store.leftUnknown(keys[2])
                try await store.finished(keys[3], with: IdempotencyStoreContract.outcomes[2])
                await store.release(try await store.claimed(keys[4]))
            }
            try await StoreKind.withSQLite(path) { store in
                var states: [KeyRecord.State?] = []
                for key in keys { states.append(try await store.state(of: key)) }
                #expect(states == [nil, .unknown, .unknown, .finished(IdempotencyStoreContract.outcomes[2]), nil])
                #expect(try await store.record(of: keys[1], at: .start)?.request == .sample())
                _ = try await store.claimed(keys[0])
            }
        }
    }

    @Test("a key that another running process has claimed is running")
    func others() async throws {
        try await StoreKind.sqlite.withTwo { first, second in
            let key = try CallerKey("key")
            let claim = try await first.claimed(key)
            #expect(try await second.state(of: key) == .running)
            try await first.willSend(claim)
            #expect(try await second.state(of: key) == .running)
            #expect(try await second.remove(key) == .running)
            try await first.leaveUnknown(claim)
            #expect(try await second.state(of: key) == .unknown)
            try await second.resolve(key, KeyedRequest.sample().digest, with: .done(nil), at: .start)
            #expect(try await first.state(of: key) == .finished(.done(nil)))
        }
    }

    @Test("when another process has ended, its claimed keys are free and its sent keys unknown, without a wait")
    func ended() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { second in
                let (claimed, sending, removed) = try (CallerKey("claimed"), CallerKey("sending"), CallerKey("removed"))
                var lost: KeyClaim?
                try await StoreKind.withSQLite(path) { first in
                    lost = try await first.claimed(claimed)
                    try await first.willSend(try await first.claimed(sending))
                    _ = try await first.claimed(removed)
                }
                #expect(try await second.state(of: claimed) == nil)
                #expect(try await second.remove(removed) == .absent)
                #expect(try await second.state(of: sending) == .unknown)
                let claim = try await second.claimed(claimed, for: .sample("other"))
                let old = try #require(lost)
                #expect(claim.fencingToken != old.fencingToken)
                // The process of the old claim was only slow.
                try await StoreKind.withSQLite(path) { third in
                    await #expect(throws: BillingFailure.stateUnavailable) { try await third.willSend(old) }
                    await third.release(old)
                }
                try await second.willSend(claim)
                #expect(try await second.remove(sending) == .removed)
            }
        }
    }

    @Test("the file of locks may be removed: no key becomes free that was sent")
    func ownersRemoved() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { first in
                let (claimed, sending) = try (CallerKey("claimed"), CallerKey("sending"))
                let (old, claim) = try await (first.claimed(claimed), first.claimed(sending))
                try await first.willSend(claim)
                try FileManager.default.removeItem(atPath: path + "-owners")
                try await StoreKind.withSQLite(path) { second in
                    // The second process cannot see that the first one runs.
                    try await second.willSend(try await second.claimed(claimed))
                    await #expect(throws: BillingFailure.stateUnavailable) { try await first.willSend(old) }
                    #expect(try await second.state(of: sending) == .unknown)
                    try await first.finish(claim, with: .done(nil), at: .start)
                    #expect(try await second.state(of: sending) == .finished(.done(nil)))
                }
            }
        }
    }

    @Test("claims remove expired rows, so the file stays small")
    func expired() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { store in
                for number in 0..<200 { try await store.finished(CallerKey("\(number)")) }
                #expect(try await Self.rows(path) == 200)
                let later = Timestamp.start.after(StoreKind.window)
                for number in 200..<210 { try await store.finished(CallerKey("\(number)"), at: later) }
                #expect(try await Self.rows(path) == 110)
                for number in 210..<400 { try await store.finished(CallerKey("\(number)"), at: later) }
                #expect(try await Self.rows(path) == 200)
                try await store.leftUnknown(CallerKey("unknown"))
                let end = later.after(StoreKind.window)
                for number in 400..<440 { try await store.finished(CallerKey("\(number)"), at: end) }
                #expect(try await Self.rows(path) == 41)
            }
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            #expect(try #require(size) < 200_000)
        }
    }

    @Test("the file holds digests of keys and requests, not the keys themselves")
    func contents() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { store in
                try await store.finished(CallerKey("jane.doe@example.com"))
                for file in try FileManager.default.contentsOfDirectory(atPath: folder) {
                    let bytes = try Data(contentsOf: URL(filePath: folder + "/" + file))
                    #expect(bytes.range(of: Data("jane.doe".utf8)) == nil, "\(file)")
                }
                #expect(
                    await Self.query(path, "SELECT state, caller, operation, account FROM idempotency_keys")
                        == "done|shop|update-base-plan|account")
            }
        }
    }

    @Test("in memory no more than a fixed number of keys live, and expired ones make room")
    func memory() async throws {
        let store = MemoryIdempotencyStore(window: StoreKind.window, keysMax: 20)
        for number in 0..<20 { try await store.finished(CallerKey("\(number)")) }
        await #expect(throws: BillingFailure.stateUnavailable) { _ = try await store.claimed(CallerKey("new")) }
        #expect(try await store.state(of: CallerKey("0")) == .finished(.done(nil)))
        let later = Timestamp.start.after(StoreKind.window)
        for number in 20..<40 { try await store.finished(CallerKey("\(number)"), at: later) }
        await #expect(throws: BillingFailure.stateUnavailable) {
            _ = try await store.claimed(CallerKey("new"), at: later)
        }
    }

    private static func rows(_ path: String) async throws -> Int {
        try #require(Int(await query(path, "SELECT count(*) FROM idempotency_keys")))
    }

    static func query(_ path: String, _ sql: String) async -> String {
        let outcome = await TestProcess.run("sqlite3", [path, sql])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output.trimmingCharacters(in: .newlines)
    }
}
