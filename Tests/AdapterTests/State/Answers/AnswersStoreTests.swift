import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import Synchronization
import Testing

@Suite("Answers file", .timeLimit(.minutes(10)))
struct AnswersStoreTests {
    static func query(_ path: String, _ sql: String) async -> String {
        await SharedStateTests.query(path + "-answers", sql)
    }

    /// The names of the files that were set aside, without SQLite's other files.
    static func setAside(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.contains(".set-aside-") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm")
        }.sorted()
    }

    @Test("pages and documents are restored after a restart, the most recently used page first")
    func restart() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            let now = first.clock.millisecondsSinceEpoch
            first.settle()
            for number in Int64(1)...100 {
                first.pages.put(number, "account-\(number)", at: now - number, "value \(number)", usedAt: number)
            }
            first.pages.put(StoredDocument(name: "accounts", content: [0, 1, 2], asOf: now))
            first.pages.remove(50)
            first.write()
            // Only the use of a page changes.
            first.pages.use(7, at: 1000)
            first.settle(after: .seconds(60))
            first.close()

            let second = StoreRun(path)
            second.settle()
            #expect(second.pages.pages == first.pages.pages)
            #expect(second.pages.pages.count == 99)
            #expect(second.pages.documents == first.pages.documents)
            let order = [7] + (1...100).reversed().filter { $0 != 7 && $0 != 50 }
            #expect(second.pages.restored == order.map(Int64.init))
            // Nothing has changed, so nothing is written.
            second.write()
            #expect(second.pages.taken.isEmpty)
            second.close()
        }
    }

    /// `gaps` is `nil` if readers may have received newer documents than the file has.
    @Test("a restart knows when no process stored what it had, and whether the last one stored all that it had")
    func gaps() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let clock = SetClock()
            let begin = clock.millisecondsSinceEpoch
            var run: StoreRun? = StoreRun(path, clock: clock)
            func restart(closing: Bool = true) {
                if closing { run?.close() }
                run = nil
                clock.advance(by: .seconds(10))
                run = StoreRun(path, clock: clock)
                run?.settle()
                clock.advance(by: .seconds(10))
            }
            run?.settle()
            run?.pages.put(StoredDocument(name: "accounts", content: [0, 1, 2], asOf: begin))
            clock.advance(by: .seconds(10))
            restart()
            let first = begin + 10_001...begin + 19_999
            #expect(run?.pages.gaps == .some([first]))
            restart()
            #expect(run?.pages.gaps == .some([first, begin + 30_001...begin + 39_999]))
            // A process that is killed before it has opened the file changes nothing.
            run = StoreRun(path, clock: clock)
            run = nil
            // One that is killed later may have had other documents.
            restart(closing: false)
            #expect(run?.pages.gaps == .some(nil))
            restart()
            #expect(run?.pages.gaps == .some([begin + 70_001...begin + 79_999]))
        }
    }

    @Test("a process that could not store its last changes leaves no note that it stored all")
    func incompleteEnd() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            first.settle()
            first.pages.put(StoredDocument(name: "accounts", content: [0], asOf: first.clock.millisecondsSinceEpoch))
            first.write()
            for number in Int64(1)...1000 {
                first.pages.put(number, "a", at: first.clock.millisecondsSinceEpoch, "value")
            }
            // The deadline has passed, so that only the first part is written.
            first.store.close(deadline: first.clock.now)
            let second = StoreRun(path, clock: first.clock)
            second.settle()
            #expect((1..<1000).contains(second.pages.pages.count))
            #expect(second.pages.gaps == .some(nil))
            second.close()
        }
    }

    @Test("the files are for their owner only, and the log is written back at the end")
    func permissions() async throws {
        try await withTemporaryFolder { folder async throws in
            let run = StoreRun(folder + "/state.db")
            run.settle()
            run.pages.put(1, "a", at: run.clock.millisecondsSinceEpoch, "value")
            run.write()
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(
                files == ["state.db-answers", "state.db-answers-shm", "state.db-answers-wal", "state.db-owners"])
            for file in files {
                let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/" + file)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
            }
            run.close()
            let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(left == ["state.db-answers", "state.db-owners"])
        }
    }

    @Test("a page that changes many times within the interval is written once")
    func burst() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let run = StoreRun(path)
            run.settle()
            // The interval has not passed.
            for value in 0..<100 {
                run.pages.put(1, "a", at: run.clock.millisecondsSinceEpoch, "\(value)")
                run.pages.put(2, "b", at: run.clock.millisecondsSinceEpoch, "\(value)")
                run.settle(after: .milliseconds(10))
            }
            #expect(run.pages.taken.isEmpty)
            run.settle(after: .seconds(4))
            #expect(run.pages.taken == [1, 2])
            run.close()
            #expect(run.pages.taken == [1, 2])
        }
    }

    @Test("more pages than fit one step are all written within one interval")
    func manyPages() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let run = StoreRun(path)
            run.settle()
            for number in Int64(1)...1000 {
                run.pages.put(number, "a\(number)", at: run.clock.millisecondsSinceEpoch, "value")
            }
            run.write()
            #expect(await Self.query(path, "SELECT count(*) FROM pages JOIN contents USING (number)") == "1000")
            for number in Int64(1)...1000 { run.pages.remove(number) }
            run.close()
            #expect(await Self.query(path, "SELECT count(*) FROM pages") == "0")
            #expect(await Self.query(path, "SELECT count(*) FROM contents") == "0")
        }
    }

    @Test("when memory is full, the pages that were used longest ago are removed from the file")
    func full() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            first.settle()
            for number in Int64(1)...100 {
                first.pages.put(number, "a\(number)", at: first.clock.millisecondsSinceEpoch, "value", usedAt: number)
            }
            first.close()
            let second = StoreRun(path, FakePages(pagesMax: 30))
            second.settle()
            #expect(second.pages.pages.keys.sorted() == (71...100).map { $0 })
            #expect(await Self.query(path, "SELECT min(number), count(*) FROM pages") == "71|30")
            second.close()
        }
    }

    @Test("answers that are too old, from the future, or from before a change of their account are not restored")
    func rules() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            let now = first.clock.millisecondsSinceEpoch
            first.settle()
            first.pages.put(
                1,
                [
                    "good": .init(time: now, value: "1"), "old": .init(time: now - 86_401_000, value: "2"),
                    "future": .init(time: now + 60_000, value: "3"),
                    "changed": .init(time: now - 10_000, value: "4"),
                    "read-later": .init(time: now - 1000, value: "5"),
                ])
            first.pages.put(2, "changed", at: now - 20_000, "6")
            first.pages.put(StoredDocument(name: "old", content: [1], asOf: now - 86_401_000))
            first.close()
            let second = StoreRun(path)
            second.changedAt = [
                AccountID(literal: "changed"): now - 5000, AccountID(literal: "read-later"): now - 5000,
            ]
            second.settle()
            #expect(second.pages.pages.keys.sorted() == [1])
            #expect(second.pages.pages[1]?.keys.sorted() == ["good", "read-later"])
            #expect(second.pages.documents.isEmpty)
            // The file follows.
            second.write()
            #expect(await Self.query(path, "SELECT number, answers FROM pages") == "1|2")
            #expect(await Self.query(path, "SELECT count(*) FROM documents") == "0")
            second.close()
        }
    }

    @Test("while the last changes of accounts are unknown, nothing is restored or stored")
    func unknownChanges() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun.withOneAnswer(path)
            first.close()
            let second = StoreRun(path)
            second.changedAt = nil
            second.settle()
            second.settle(after: .seconds(60))
            #expect(second.pages.pages.isEmpty)
            second.changedAt = [:]
            second.settle(after: .seconds(60))
            #expect(second.pages.pages.count == 1)
            second.close()
        }
    }

    @Test("a page and a document of another form are removed from the file, and the others are restored")
    func unreadable() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun.withOneAnswer(path)
            // Two words in the account make a line of another form.
            first.pages.put(2, "not a", at: first.clock.millisecondsSinceEpoch, "value")
            first.pages.put(StoredDocument(name: "empty", content: [], asOf: first.clock.millisecondsSinceEpoch))
            first.close()
            let second = StoreRun(path)
            second.settle()
            #expect(second.pages.pages.keys.sorted() == [1])
            #expect(await Self.query(path, "SELECT number FROM pages") == "1")
            #expect(await Self.query(path, "SELECT count(*) FROM documents") == "0")
            #expect(try Self.setAside(folder).isEmpty)
            second.close()
        }
    }

    @Test("pages that change while the file is read are written, and older answers of the file do not replace them")
    func changedWhileReading() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            let now = first.clock.millisecondsSinceEpoch
            first.settle()
            for number in Int64(1)...100 { first.pages.put(number, "a\(number)", at: now - 1000, "old") }
            first.close()
            let second = StoreRun(path)
            #expect(second.store.step() == .restore)
            second.pages.put(3, "a3", at: now, "new")
            second.pages.put(200, "b", at: now, "new")
            _ = second.store.restore(changedAt: [:])
            second.settle()
            #expect(second.pages.pages[3]?["a3"]?.value == "new")
            second.close()
            let third = StoreRun(path)
            third.settle()
            #expect(third.pages.pages == second.pages.pages)
            #expect(third.pages.pages.count == 101)
            third.close()
        }
    }

    @Test("after the retention time no byte of an answer is in the files", arguments: [false, true])
    func retention(hasRestart: Bool) async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            var run = StoreRun(path)
            run.settle()
            let now = run.clock.millisecondsSinceEpoch
            func contains(_ text: String) throws -> Bool {
                try FileManager.default.contentsOfDirectory(atPath: folder).contains { file in
                    try Data(contentsOf: URL(filePath: folder + "/" + file)).range(of: Data(text.utf8)) != nil
                }
            }
            let long = String(repeating: "old-secret ", count: 1000)
            for number in Int64(1)...50 { run.pages.put(number, "a\(number)", at: now, long) }
            // A page with an old and a newer answer.
            run.pages.put(
                60, ["a": .init(time: now, value: long), "b": .init(time: now + 50_000_000, value: "new-secret")])
            run.pages.put(StoredDocument(name: "accounts", content: Array(long.utf8), asOf: now))
            run.write()
            #expect(try contains("old-secret"))
            // A page that was replaced: its old content is in the log.
            run.pages.put(1, "a1", at: now + 50_000_000, "new-secret")
            run.write()
            run.clock.advance(by: .seconds(86_400))
            if hasRestart {
                run.close()
                run = StoreRun(path, clock: run.clock)
            }
            for _ in 0..<3 { run.settle(after: .seconds(3600)) }
            #expect(run.pages.pages.keys.sorted() == [1, 60])
            #expect(try !contains("old-secret"))
            #expect(try contains("new-secret"))
            #expect(await Self.query(path, "SELECT count(*) FROM pages") == "2")
            run.close()
        }
    }

    @Test("with a retention time of zero nothing is stored, and what is stored is removed")
    func noRetention() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun.withOneAnswer(path)
            first.close()
            try write("set aside", to: path + "-answers.set-aside-20260101T000000Z")
            let second = StoreRun(path, retention: .zero)
            second.settle()
            second.pages.put(2, "a", at: first.clock.millisecondsSinceEpoch, "value")
            second.write()
            second.close()
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["state.db-owners"])
        }
    }

    @Test("with a key no byte of an answer is in the files, and without the key a new file is begun")
    func sealed() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let key = SealingKey.random()
            let first = StoreRun(path, keys: .given(key))
            first.settle()
            first.pages.put(1, "a", at: first.clock.millisecondsSinceEpoch, "secret-value")
            first.pages.put(
                StoredDocument(
                    name: "accounts", content: Array("secret-id".utf8), asOf: first.clock.millisecondsSinceEpoch))
            first.write()
            for file in ["state.db-answers", "state.db-answers-wal"] {
                let data = try Data(contentsOf: URL(filePath: folder + "/" + file))
                #expect(data.range(of: Data("secret".utf8)) == nil, "\(file)")
            }
            first.close()
            #expect(await Self.query(path, "SELECT key_id FROM pages UNION SELECT key_id FROM documents") == key.id)
            let second = StoreRun(path, keys: .given(key))
            second.settle()
            #expect(second.pages.pages == first.pages.pages)
            #expect(second.pages.documents == first.pages.documents)
            second.close()
            for keys in [SealingKeys.none, .given(.random())] {
                let log = LoggedLines()
                let other = StoreRun(path, keys: keys, logger: log.logger)
                other.settle()
                #expect(other.pages.pages.isEmpty)
                #expect(log.lines.contains { $0.contains("set aside") && $0.contains("wrongly-keyed") }, "\(log.lines)")
                other.close()
                // Back to the file of the key.
                let names = try Self.setAside(folder)
                try #require(names.count == 1)
                try FileManager.default.removeItem(atPath: path + "-answers")
                try FileManager.default.moveItem(atPath: folder + "/" + names[0], toPath: path + "-answers")
            }
        }
    }

    @Test("after a change of the key, rows of the old key are read and encrypted with the new one")
    func rotation() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let keyFile = PrivateFile(path: folder + "/keys")
            let first = StoreRun(path)
            first.settle()
            let now = first.clock.millisecondsSinceEpoch
            for number in Int64(1)...600 { first.pages.put(number, "a\(number)", at: now, "secret") }
            first.pages.put(StoredDocument(name: "accounts", content: [1], asOf: now))
            first.close()
            // From no key to a key.
            let old = try SealingKeys.add(to: keyFile)
            let second = StoreRun(path, keys: .file(keyFile))
            second.settle()
            for _ in 0..<5 { second.write() }
            let keyIDs = "SELECT DISTINCT key_id FROM (SELECT key_id FROM pages UNION ALL SELECT key_id FROM documents)"
            #expect(await Self.query(path, keyIDs) == old.id)
            let data = try Data(contentsOf: URL(filePath: path + "-answers"))
            #expect(data.range(of: Data("secret".utf8)) == nil)
            // A new key, while the process runs.
            let new = try SealingKeys.add(to: keyFile)
            for _ in 0..<5 { second.write() }
            #expect(await Self.query(path, keyIDs) == new.id)
            second.close()
            let third = StoreRun(path, keys: .given(new))
            third.settle()
            #expect(third.pages.pages == first.pages.pages)
            #expect(third.pages.documents.count == 1)
            third.close()
            #expect(try Self.setAside(folder).isEmpty)
        }
    }

    @Test("answers of other master accounts are removed, and not restored")
    func otherSource() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path, source: "one")
            first.settle()
            first.pages.put(1, "a", at: first.clock.millisecondsSinceEpoch, "value")
            first.pages.put(StoredDocument(name: "accounts", content: [1], asOf: first.clock.millisecondsSinceEpoch))
            first.close()
            let log = LoggedLines()
            let second = StoreRun(path, source: "two", logger: log.logger)
            second.settle()
            #expect(second.pages.pages.isEmpty && second.pages.documents.isEmpty)
            #expect(log.lines.count { $0.contains("other master accounts") } == 1, "\(log.lines)")
            second.pages.put(2, "b", at: second.clock.millisecondsSinceEpoch, "value")
            second.close()
            let third = StoreRun(path, source: "two")
            third.settle()
            #expect(third.pages.pages.keys.sorted() == [2])
            third.close()
        }
    }

    @Test("of two processes with one state file, one stores its answers, and the other does when the first has ended")
    func shared() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let first = StoreRun(path)
            first.settle()
            first.pages.put(1, "a", at: first.clock.millisecondsSinceEpoch, "first")
            first.write()
            let log = LoggedLines()
            let second = StoreRun(path, logger: log.logger)
            second.settle()
            second.pages.put(2, "b", at: second.clock.millisecondsSinceEpoch, "second")
            for _ in 0..<3 { second.write() }
            #expect(log.lines.count { $0.contains("another process stores its answers") } == 1, "\(log.lines)")
            #expect(second.pages.taken.isEmpty && second.pages.pages.keys.sorted() == [2])
            #expect(second.store.failure == nil)
            first.pages.put(3, "c", at: first.clock.millisecondsSinceEpoch, "first")
            first.close()
            second.write()
            #expect(second.pages.pages.keys.sorted() == [1, 2, 3])
            second.write()
            #expect(log.lines.count { $0.contains("the other process has ended") } == 1, "\(log.lines)")
            second.close()
            #expect(await Self.query(path, "SELECT number FROM pages ORDER BY number") == "1\n2\n3")
        }
    }
}

/// Collects log lines.
final class LoggedLines: Sendable {
    private let all = Mutex<[String]>([])

    var lines: [String] { all.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in LineLogHandler { line in self.all.withLock { $0.append(line) } } }
    }
}
