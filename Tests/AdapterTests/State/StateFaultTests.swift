import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import Testing

@Suite("State file: faults", .timeLimit(.minutes(10)))
struct StateFaultTests {
    @Test("when the file is removed or replaced while it is in use, nothing is recorded, and nothing in its place")
    func removed() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { store in
                let claim = try await store.claimed(CallerKey("key"))
                try FileManager.default.moveItem(atPath: path, toPath: folder + "/moved")
                for _ in 0..<2 {
                    await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(claim) }
                    await #expect(throws: BillingFailure.stateUnavailable) {
                        _ = try await store.claimed(CallerKey("other"))
                    }
                    await #expect(throws: BillingFailure.stateUnavailable) {
                        _ = try await store.record(of: CallerKey("key"), at: .start)
                    }
                    #expect(store.problem == "the file was removed or replaced")
                    try write("", to: path)
                }
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.moveItem(atPath: folder + "/moved", toPath: path)
                try await store.willSend(claim)
                #expect(store.problem == nil)
            }
        }
    }

    @Test("another program that holds the lock too long makes a call fail, and the next one succeeds")
    func locked() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            let store = try StoreKind.openSQLite(path, busyTimeout: .milliseconds(100))
            let claim = try await store.claimed(CallerKey("key"))
            let other = TestProcess("sqlite3", [path, "BEGIN IMMEDIATE", ".system echo locked; exec sleep 1000"])
            _ = try await other.output(containing: "locked")
            await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(claim) }
            #expect(store.problem?.contains("database is locked") == true)
            // Reading needs no lock.
            #expect(try await store.state(of: CallerKey("key")) == .running)
            other.signal(SIGKILL)
            if let id = other.processID { kill(-id, SIGKILL) }
            _ = await other.outcome()
            try await store.willSend(claim)
            await store.close()
        }
    }

    @Test("a waiting call ends when its task is cancelled, although the disk does not respond")
    func cancelledWait() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            let store = try StoreKind.openSQLite(path, busyTimeout: .seconds(100))
            let other = TestProcess("sqlite3", [path, "BEGIN IMMEDIATE", ".system echo locked; exec sleep 1000"])
            _ = try await other.output(containing: "locked")
            let blocked = Task { try await store.claimed(CallerKey("blocked")) }
            let waiting = (0..<10).map { number in Task { try await store.claimed(CallerKey("\(number)")) } }
            for task in waiting {
                task.cancel()
                await #expect(throws: BillingFailure.cancelled) { _ = try await task.value }
            }
            if let id = other.processID { kill(-id, SIGKILL) }
            _ = await other.outcome()
            _ = try await blocked.value
            for number in 0..<10 { #expect(try await store.state(of: CallerKey("\(number)")) == nil) }
            await store.close()
        }
    }

    @Test("a closed store records nothing")
    func closed() async throws {
        try await withTemporaryFolder { folder in
            let store = try StoreKind.openSQLite(folder + "/state.db")
            await store.close()
            await #expect(throws: BillingFailure.stateUnavailable) { _ = try await store.claimed(CallerKey("key")) }
            await store.close()
        }
    }

    @Test("on a full disk no write is sent, outcomes are remembered, and all is recorded when there is room again")
    func full() async throws {
        await #expect(processExitsWith: .success) {
            try await withTemporaryFolder { folder in
                let path = folder + "/state.db"
                let keys = try (0..<6).map { try CallerKey("\($0)") }
                try await StoreKind.withSQLite(path) { store in
                    let unsent = try await store.claimed(keys[0])
                    let released = try await store.claimed(keys[1])
                    let (done, refused, unknown) = try await (
                        store.claimed(keys[2]), store.claimed(keys[3]), store.claimed(keys[4])
                    )
                    for claim in [done, refused, unknown] { try await store.willSend(claim) }
                    // Simulates a full disk: no file can grow.
                    signal(SIGXFSZ, SIG_IGN)
                    var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
                    try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                    let document = WriteOutcome.done(SourceDocument(text: Array("{}".utf8)))
                    let refusal = WriteOutcome.refused(SourceRefusal(kind: .notFound, code: 1, message: "No."))
                    await #expect(throws: BillingFailure.stateUnavailable) { try await store.willSend(unsent) }
                    await #expect(throws: BillingFailure.stateUnavailable) { _ = try await store.claimed(keys[5]) }
                    await store.release(released)
                    await #expect(throws: BillingFailure.stateUnavailable) {
                        try await store.finish(done, with: document, at: .start)
                    }
                    // A known outcome is not replaced by an unknown one.
                    await #expect(throws: BillingFailure.stateUnavailable) { try await store.leaveUnknown(done) }
                    await #expect(throws: BillingFailure.stateUnavailable) {
                        try await store.finish(refused, with: refusal, at: .start)
                    }
                    await #expect(throws: BillingFailure.stateUnavailable) { try await store.leaveUnknown(unknown) }
                    #expect(store.problem != nil)
                    let states: [KeyRecord.State?] = [
                        .running, nil, .finished(document), .finished(refusal), .unknown, nil,
                    ]
                    for (key, state) in zip(keys, states) { #expect(try await store.state(of: key) == state) }
                    limit.rlim_cur = rlim_t.max
                    try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                    await store.release(unsent)
                    #expect(store.problem == nil)
                    // What another process sees is what the file holds.
                    try await StoreKind.withSQLite(path) { other async throws in
                        for (key, state) in zip(keys, [nil] + states.dropFirst()) {
                            #expect(try await other.state(of: key) == state)
                        }
                    }
                }
            }
        }
    }

    @Test(
        "a real full disk, and a read-only one, refuse writes and lose nothing", .enabled("cannot mount", canMount))
    func mounted() async throws {
        try await withTemporaryFolder { folder in
            let script = """
                set -eu
                mount -t tmpfs -o size=2m tmpfs "$1"
                "$0" "$1/state.db" 5000
                echo --- full
                sqlite3 "$1/state.db" "PRAGMA integrity_check; SELECT state, count(*) FROM idempotency_keys GROUP BY state"
                mount -o remount,ro "$1"
                "$0" "$1/state.db" 1 || echo refused
                """
            let outcome = await TestProcess.run(
                "unshare", ["--mount", "sh", "-c", script, TestProcess.product("KeyWriter"), folder])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let sent = outcome.lines.count { $0.hasPrefix("sent ") }
            let finished = outcome.lines.count { $0.hasPrefix("finished ") }
            let failed = outcome.lines.count { $0.hasPrefix("failed ") }
            #expect(sent > 10 && failed > 100, "\(sent) sent, \(failed) failed")
            let rest = outcome.lines.drop { $0 != "--- full" }.dropFirst()
            #expect(rest.first == "ok")
            let counts = Dictionary(
                uniqueKeysWithValues: rest.dropFirst().prefix { $0 != "refused" }.map {
                    ($0.split(separator: "|")[0], Int($0.split(separator: "|")[1]) ?? 0)
                })
            #expect(counts["done", default: 0] >= finished)
            #expect(counts["done", default: 0] + counts["sending", default: 0] >= sent)
            #expect(outcome.lines.last == "refused")
            #expect(outcome.errors.contains("cannot be written") || outcome.errors.contains("Read-only"))
        }
    }

    @Sendable private static func canMount() async -> Bool {
        await TestProcess.run("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status == 0
    }
}
