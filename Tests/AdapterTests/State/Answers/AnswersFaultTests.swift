import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Answers file: faults", .timeLimit(.minutes(10)))
struct AnswersFaultTests {
    /// Writes a file with some pages and returns them.
    @discardableResult
    private static func fill(_ path: String, pages: Int64 = 40) -> [Int64: [String: FakePages.Answer]] {
        let run = StoreRun(path)
        run.settle()
        for number in 1...pages {
            let value = String(repeating: "\(number) ", count: 500)
            run.pages.put(number, "a\(number)", at: run.clock.millisecondsSinceEpoch, value, usedAt: number)
        }
        run.close()
        return run.pages.pages
    }

    /// Starts with a file that cannot be used, and checks that a new one is begun and works.
    private static func expectSetAside(_ path: String, _ kind: String, restored: ClosedRange<Int> = 0...0) throws {
        let log = LoggedLines()
        let run = StoreRun(path, logger: log.logger)
        run.settle()
        #expect(log.lines.count { $0.contains("set aside") && $0.contains("kind=\(kind)") } == 1, "\(log.lines)")
        #expect(restored.contains(run.pages.pages.count), "\(run.pages.pages.count)")
        #expect(run.store.failure == nil)
        run.pages.put(1000, "new", at: run.clock.millisecondsSinceEpoch, "new")
        run.close()
        let next = StoreRun(path)
        next.settle()
        #expect(next.pages.pages == run.pages.pages)
        next.close()
    }

    @Test("a damaged, a foreign and a newer file is set aside, and a new one is begun")
    func unusable() async throws {
        try await withTemporaryFolder { folder async throws in
            func file(_ name: String) -> String {
                Self.fill(folder + "/" + name)
                return folder + "/" + name
            }
            let text = folder + "/text"
            try write(String(repeating: "text ", count: 1000), to: text + "-answers")
            try Self.expectSetAside(text, "foreign")
            let short = folder + "/short"
            try write("x", to: short + "-answers")
            try Self.expectSetAside(short, "foreign")
            let other = folder + "/other"
            _ = await SharedStateTests.query(other + "-answers", "CREATE TABLE money (amount INTEGER)")
            chmod(other + "-answers", 0o600)
            try Self.expectSetAside(other, "foreign")
            // The file of idempotency keys is no answers file.
            let keys = folder + "/keys"
            try await StoreKind.withSQLite(keys) { try await $0.finished(CallerKey("key")) }
            try FileManager.default.moveItem(atPath: keys, toPath: keys + "-answers")
            try Self.expectSetAside(keys, "foreign")
            let newer = file("newer")
            _ = await AnswersStoreTests.query(newer, "PRAGMA user_version = 2")
            try Self.expectSetAside(newer, "newer")
            let cut = file("cut")
            try FileHandle(forUpdating: URL(filePath: cut + "-answers")).truncate(atOffset: 8192)
            try Self.expectSetAside(cut, "damaged")
            let tables = file("tables")
            _ = await AnswersStoreTests.query(tables, "DROP TABLE contents")
            try Self.expectSetAside(tables, "damaged")
            // One bit of one row: the others are restored.
            let bit = file("bit")
            _ = await AnswersStoreTests.query(
                bit, "UPDATE contents SET content = CAST(zeroblob(100) AS BLOB) WHERE number = 7")
            try Self.expectSetAside(bit, "damaged", restored: 39...39)
            // Another row's content.
            let swapped = file("swapped")
            _ = await AnswersStoreTests.query(
                swapped,
                "UPDATE contents SET content = (SELECT content FROM contents WHERE number = 8) WHERE number = 7")
            try Self.expectSetAside(swapped, "damaged", restored: 39...39)
            // A changed time.
            let younger = file("younger")
            _ = await AnswersStoreTests.query(younger, "UPDATE pages SET oldest = oldest + 1 WHERE number = 7")
            try Self.expectSetAside(younger, "damaged", restored: 39...39)
        }
    }

    @Test("only the three newest of the files that were set aside are left, for a week at most")
    func setAsideFiles() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let clock = SetClock()
            for day in 0..<6 {
                try write("text \(day)", to: path + "-answers")
                let run = StoreRun(path, clock: clock, retention: .seconds(30 * 86_400))
                run.settle()
                run.close()
                clock.advance(by: .seconds(86_400))
            }
            let names = try AnswersStoreTests.setAside(folder)
            #expect(names.count == 3)
            let newest = try String(contentsOfFile: folder + "/" + #require(names.last), encoding: .utf8)
            #expect(newest == "text 5")
            clock.advance(by: .seconds(5 * 86_400 + 3600))
            let run = StoreRun(path, clock: clock, retention: .seconds(30 * 86_400))
            run.settle()
            #expect(try AnswersStoreTests.setAside(folder).count == 1)
            run.settle(after: .seconds(2 * 86_400))
            #expect(try AnswersStoreTests.setAside(folder).isEmpty)
            run.close()
        }
    }

    @Test("bytes that flip at random places: no crash, and every answer that is restored was written (200 times)")
    func damaged() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        var (setAside, incomplete) = (0, 0)
        try await withTemporaryFolder { folder async throws in
            let source = folder + "/source"
            let run = StoreRun(source)
            run.settle()
            // What pages have had: an older log is no damage that SQLite can notice.
            var written: Set<String> = []
            for round in 0..<3 {
                for number in Int64(1)...20 {
                    let value = String(repeating: "\(number).\(round) ", count: 700)
                    written.insert(value)
                    run.pages.put(number, "a\(number)", at: run.clock.millisecondsSinceEpoch, value, usedAt: number)
                }
                run.write()
            }
            let files = ["-answers", "-answers-wal"]
            let bytes = try files.map { try Data(contentsOf: URL(filePath: source + $0)) }
            for round in 0..<200 {
                let comment: Comment = "seed \(seed), round \(round)"
                let path = folder + "/\(round)"
                var damaged = bytes
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    let file = round.isMultiple(of: 2) ? 0 : Int.random(in: 0...1, using: &random)
                    let index = Int.random(in: 0..<damaged[file].count, using: &random)
                    // The header and the first pages are a small part of the file, and hit too rarely otherwise.
                    let place = Bool.random(using: &random) ? index : index % min(16_384, damaged[file].count)
                    damaged[file][place] ^= UInt8.random(in: 1...255, using: &random)
                }
                for (suffix, data) in zip(files, damaged) {
                    // Every second file was closed in order.
                    if suffix == "-answers-wal", round.isMultiple(of: 4) { continue }
                    try data.write(to: URL(filePath: path + suffix))
                    chmod(path + suffix, 0o600)
                }
                let restarted = StoreRun(path)
                restarted.settle()
                let isSetAside = try AnswersStoreTests.setAside(folder).contains { $0.hasPrefix("\(round)-answers.") }
                if isSetAside { setAside += 1 }
                for (number, answers) in restarted.pages.pages {
                    #expect(answers.keys.sorted() == ["a\(number)"], comment)
                    #expect(
                        answers.values.allSatisfy { written.contains($0.value + " ") || written.contains($0.value) },
                        comment)
                }
                if !isSetAside, restarted.pages.pages.count < 20 { incomplete += 1 }
                restarted.pages.put(1000, "new", at: restarted.clock.millisecondsSinceEpoch, "new")
                restarted.write()
                restarted.write()
                restarted.close()
                let last = StoreRun(path)
                last.settle()
                #expect(last.pages.pages[1000] != nil, comment)
                last.close()
                for file in try FileManager.default.contentsOfDirectory(atPath: folder)
                where file.hasPrefix("\(round)-") {
                    try FileManager.default.removeItem(atPath: folder + "/" + file)
                }
            }
            run.close()
        }
        #expect(setAside > 20, "too few of the places were noticed: \(setAside)")
        print("damaged answers files: \(setAside) of 200 set aside, \(incomplete) read in part, seed \(seed)")
    }

    @Test("when the file is removed or replaced while it is in use, a new one is begun with all pages")
    func removed() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let run = StoreRun(path)
            run.settle()
            for number in Int64(1)...40 {
                run.pages.put(number, "a\(number)", at: run.clock.millisecondsSinceEpoch, "value")
            }
            run.write()
            try FileManager.default.removeItem(atPath: path + "-answers")
            run.pages.put(41, "new", at: run.clock.millisecondsSinceEpoch, "value")
            run.write()
            run.write()
            #expect(await AnswersStoreTests.query(path, "SELECT count(*) FROM pages") == "41")
            run.close()
        }
    }

    @Test("a file that others can use is not used until its mode is right")
    func mode() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let before = Self.fill(path)
            chmod(path + "-answers", 0o644)
            let run = StoreRun(path)
            run.settle()
            #expect(run.store.failure?.contains("others than its owner may use it") == true)
            chmod(path + "-answers", 0o600)
            run.settle(after: .seconds(120))
            #expect(run.store.failure == nil)
            #expect(run.pages.pages == before)
            run.close()
        }
    }

    @Test("on a full disk nothing is lost in memory, one line is logged, and all is written when there is room again")
    func full() async throws {
        await #expect(processExitsWith: .success) {
            try await withTemporaryFolder { folder async throws in
                let path = folder + "/state.db"
                let log = LoggedLines()
                let run = StoreRun(path, logger: log.logger)
                run.settle()
                run.pages.put(1, "a", at: run.clock.millisecondsSinceEpoch, "value")
                run.write()
                // Simulates a full disk: no file can grow.
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                for number in Int64(1)...100 {
                    run.pages.put(number, "a\(number)", at: run.clock.millisecondsSinceEpoch, "new")
                    run.settle(after: .seconds(60))
                }
                #expect(run.store.failure != nil)
                #expect(log.lines.count { $0.contains("the answers file fails") } == 1, "\(log.lines)")
                limit.rlim_cur = rlim_t.max
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                run.settle(after: .seconds(60))
                #expect(run.store.failure == nil)
                #expect(log.lines.count { $0.contains("the answers file works again") } == 1, "\(log.lines)")
                run.close()
                let next = StoreRun(path, clock: run.clock)
                next.settle()
                #expect(next.pages.pages == run.pages.pages)
                #expect(next.pages.pages.count == 100)
                next.close()
            }
        }
    }

    @Test(
        "on a disk that is full at the start, stored answers are restored, and the note of a complete end is removed later"
    )
    func fullAtStart() async throws {
        await #expect(processExitsWith: .success) {
            try await withTemporaryFolder { folder async throws in
                let path = folder + "/state.db"
                let notes = "SELECT count(*) FROM documents WHERE name = 'end'"
                Self.fill(path)
                #expect(await AnswersStoreTests.query(path, notes) == "1")
                let run = StoreRun(path)
                // Opens the file.
                try #require(run.store.step() == .restore)
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                run.settle()
                #expect(run.pages.pages.count == 40)
                run.settle(after: .seconds(60))
                limit.rlim_cur = rlim_t.max
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                #expect(await AnswersStoreTests.query(path, notes) == "1")
                run.settle(after: .seconds(60))
                #expect(await AnswersStoreTests.query(path, notes) == "0")
                run.close()
            }
        }
    }

    @Test("another program that holds the lock of the file delays writes, and nothing else")
    func locked() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let run = StoreRun.withOneAnswer(path)
            let other = TestProcess(
                "sqlite3", [path + "-answers", "BEGIN IMMEDIATE", ".system echo locked; exec sleep 1000"])
            _ = try await other.output(containing: "locked")
            run.write()
            #expect(run.store.failure == "another program has held its lock for too long")
            if let id = other.processID { kill(-id, SIGKILL) }
            _ = await other.outcome()
            run.settle(after: .seconds(60))
            #expect(run.store.failure == nil)
            #expect(await AnswersStoreTests.query(path, "SELECT count(*) FROM pages") == "1")
            run.close()
        }
    }
}
