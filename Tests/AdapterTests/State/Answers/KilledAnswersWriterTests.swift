import Adapters
import Domain
import DomainFakes
import Foundation
import Synchronization
import Testing

@Suite("Answers file: killed processes", .timeLimit(.minutes(10)))
struct KilledAnswersWriterTests {
    /// The last change of each page up to a change, as `AnswersWriter` makes them.
    private static func changes(_ range: ClosedRange<Int64>) -> [Int64: Int64] {
        range.reduce(into: [:]) { changes, change in changes[change * 2_654_435_761 % 61 + 1] = change }
    }

    private static func isRemoval(_ change: Int64) -> Bool { change.isMultiple(of: 7) }

    /// The change of each page in the file. Fails if the file must be set aside, or a page is not whole.
    private static func pages(_ path: String, _ keys: SealingKeys) throws -> [Int64: Int64] {
        let pages = StoredContents()
        let clock = SetClock()
        let store = AnswersStore(
            stateFile: PrivateFile(path: path), keys: keys, pages: pages, time: clock, logger: .silent)
        while !store.isRestored {
            if store.step() == .restore { _ = store.restore(changedAt: [:]) }
            try #require(store.failure == nil)
        }
        store.close(deadline: clock.now)
        return try pages.contents.mapValues { content in
            let words = String(decoding: content, as: UTF8.self).split(separator: " ")
            let first = try #require(words.first)
            #expect(words.allSatisfy { $0 == first } && words.count > 1000)
            return try #require(Int64(first))
        }
    }

    @Test(
        "after kill -9 every page is whole, and no change is lost that was stored (50 times)",
        arguments: [false, true]
    )
    func killed(isSealed: Bool) async throws {
        var random = SystemRandomNumberGenerator()
        let key = SealingKey.random()
        var (stored, betweenWrites) = (0, 0)
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            for round in 0..<50 {
                let writer = TestProcess(
                    TestProcess.product("AnswersWriter"), [path] + (isSealed ? [key.hexadecimal] : []))
                // Half of the instants are after a write, however slow the machine is. Some of the others are during the start.
                if !round.isMultiple(of: 2) {
                    _ = try await writer.output(containing: "\nstored ")
                } else if round.isMultiple(of: 4) {
                    _ = try await writer.output(containing: "restored ")
                }
                // A busy wait, since a sleep could take longer than the delay.
                let delay = ContinuousClock.now + .microseconds(Int.random(in: 0..<60_000, using: &random))
                while ContinuousClock.now < delay {}
                writer.signal(SIGKILL)
                let outcome = await writer.outcome()
                try #require(outcome.status == 128 + SIGKILL, "\(outcome.errors)")
                #expect(!outcome.errors.contains("set aside"), "\(outcome.errors)")
                #expect(!outcome.lines.contains { $0.hasPrefix("failed ") }, "\(outcome.lines)")
                // The last line may be incomplete.
                let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                let first = lines.first?.split(separator: " ").dropFirst().compactMap { Int64($0) } ?? []
                let last = lines.last { $0.hasPrefix("stored ") }.flatMap { Int64($0.dropFirst(7)) }
                let pages = try Self.pages(path, isSealed ? .given(key) : .none)
                guard let start = first.first, let last else { continue }
                stored += 1
                for (number, change) in Self.changes(start + 1...last) {
                    let found = pages[number]
                    if let found {
                        #expect(found >= change && !(found == change && Self.isRemoval(change)), "round \(round)")
                        if found > last { betweenWrites += 1 }
                    } else if !Self.isRemoval(change) {
                        // A later change has removed the page.
                        let isRemoved = (last + 1...last + 10_000).contains {
                            $0 * 2_654_435_761 % 61 + 1 == number && Self.isRemoval($0)
                        }
                        #expect(isRemoved, "round \(round)")
                    }
                }
            }
            #expect(await AnswersStoreTests.query(path, "PRAGMA integrity_check") == "ok")
            #expect(try AnswersStoreTests.setAside(folder).isEmpty)
        }
        #expect(stored > 20, "too few processes stored anything: \(stored)")
        print("answers file: 50 kills, \(stored) after a write, \(betweenWrites) pages newer than the last report")
    }

    @Test("of two processes with one file one stores its answers, and when it is killed, the other restores them")
    func successor() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = TestProcess(TestProcess.product("AnswersWriter"), [path])
            _ = try await first.output(containing: "\nstored ")
            let second = TestProcess(TestProcess.product("AnswersWriter"), [path])
            _ = try await second.errors(containing: "another process stores its answers")
            first.signal(SIGKILL)
            _ = await first.outcome()
            _ = try await second.output(containing: "\nstored ")
            second.signal(SIGKILL)
            let outcome = await second.outcome()
            let restored = outcome.lines.first?.split(separator: " ").compactMap { Int64($0) } ?? []
            #expect(restored.count == 2 && restored.allSatisfy { $0 > 0 }, "\(outcome.lines.prefix(1))")
            #expect(try AnswersStoreTests.setAside(folder).isEmpty)
        }
    }

    @Test(
        "a real full disk and a read-only one cost what is stored, and nothing else", .enabled("cannot mount", canMount)
    )
    func mounted() async throws {
        try await withTemporaryFolder { folder async throws in
            let script = """
                set -u
                mount -t tmpfs -o size=600k tmpfs "$1"
                timeout --signal=KILL 3 "$0" "$1/state.db" | sort | uniq -c | sort -rn | head -50
                echo --- full
                sqlite3 "$1/state.db-answers" "PRAGMA integrity_check"
                mount -o remount,size=100m "$1"
                timeout --signal=KILL 3 "$0" "$1/state.db" | tail -1
                echo --- read-only
                mount -o remount,ro "$1"
                timeout --signal=KILL 2 "$0" "$1/state.db"
                """
            let outcome = await TestProcess.run(
                "unshare", ["--mount", "sh", "-c", script, TestProcess.product("AnswersWriter"), folder])
            let parts = outcome.output.split(separator: "--- ").map(String.init)
            try #require(parts.count == 3, "\(outcome.output) \(outcome.errors)")
            #expect(parts[0].contains("failed no space left"), "\(parts[0])")
            #expect(parts[1].hasPrefix("full\nok\n"), "\(parts[1])")
            #expect(parts[1].contains("stored "), "\(parts[1])")
            #expect(parts[2] == "read-only\n")
            #expect(outcome.errors.contains("Read-only file system"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("set aside"), "\(outcome.errors)")
        }
    }

    @Sendable private static func canMount() async -> Bool {
        await TestProcess.run("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status == 0
    }
}

/// The pages of a file, with their content.
private final class StoredContents: PersistentPages {
    private let all = Mutex<[Int64: [UInt8]]>([:])

    var contents: [Int64: [UInt8]] { all.withLock { $0 } }

    func restore(_ page: StoredPage, rules: RestoreRules) -> RestoredPage {
        all.withLock { $0[page.number] = page.content }
        return .taken
    }

    func takeChanges(limit: Int) -> PageChanges { PageChanges(changed: [], removed: [], remaining: 0) }
    func returnChanges(_ changes: PageChanges) {}
    func takeUses() -> [Int64: Int64] { [:] }
    func beginRestoring() {}
    func endRestoring() {}
    func purge(receivedBefore time: Int64) {}
    func changeAll() {}
}
