import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("The state commands", .timeLimit(.minutes(10)))
struct StateCommandTests {
    private static func run(_ arguments: [String], _ path: String) async -> TestProcess.Outcome {
        await TestProcess.run(TestProcess.billingService, ["state"] + arguments + ["--state-file", path])
    }

    /// Creates both files.
    private static func fill(_ path: String, keys: SealingKeys = .none) async throws {
        try await StoreKind.withSQLite(path) { store in
            try await store.finished(CallerKey("done"))
            try await store.leftUnknown(CallerKey("unknown"))
        }
        let run = StoreRun(path, keys: keys)
        run.settle()
        let now = run.clock.millisecondsSinceEpoch
        for number in Int64(1)...50 {
            run.pages.put(
                number,
                ["a\(number)": .init(time: now, value: "1"), "b\(number)": .init(time: now - 3_600_000, value: "2")])
        }
        run.pages.put(StoredDocument(name: "accounts", content: [1], asOf: now))
        run.close()
    }

    @Test("inspect shows counts, sizes and times of both files, as text and as JSON")
    func inspect() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let key = SealingKey.random()
            try await Self.fill(path, keys: .given(key))
            let text = await Self.run(["inspect"], path)
            #expect(text.status == 0, "\(text.errors)")
            for line in [
                "keys_file: \(path)", "keys_version: 1", "keys_done: 1", "keys_unknown: 1", "keys_claimed: 0",
                "answers_file: \(path)-answers", "answers_version: 1", "answers_pages: 50", "answers_count: 100",
                "answers_documents: 1", "answers_oldest: 2027-01-15T07:00:00Z", "answers_newest: 2027-01-15T08:00:00Z",
                "answers_encrypted: with the key \(key.id): 51 pages and documents", "in_use: no",
            ] {
                #expect(text.lines.contains(line), "\(line): \(text.output)")
            }
            let printed = await Self.run(["inspect", "--json"], path).output
            for member in [
                #""keys":{"file":"\#(path)""#, #""states":{"claimed":0,"sending":0,"unknown":1,"done":1,"refused":0}"#,
                #""pages":50,"count":100,"documents":1"#, #""set_aside":[]"#, #""in_use":false"#,
            ] {
                #expect(printed.contains(member), "\(member): \(printed)")
            }
            _ = try JSONValue(parsing: Array(printed.utf8))
            #expect(printed.contains(#""encrypted":[{"key":"\#(key.id)","rows":51}]"#), "\(printed)")
        }
    }

    @Test("without a file the commands exit with 66, without the setting with 78")
    func missing() async throws {
        try await withTemporaryFolder { folder async throws in
            for arguments in [["inspect"], ["compact"], ["remove", "--yes"]] {
                let outcome = await Self.run(arguments, folder + "/state.db")
                #expect(outcome.status == 66, "\(outcome.errors)")
                let unset = await TestProcess.run(TestProcess.billingService, ["state"] + arguments)
                #expect(unset.status == 78 && unset.errors.contains("state.file: is required"), "\(unset.errors)")
            }
        }
    }

    @Test("a file that cannot be read is reported with exit code 1, and the other one is shown")
    func damaged() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            try await Self.fill(path)
            try write(String(repeating: "no database", count: 1000), to: path + "-answers")
            let outcome = await Self.run(["inspect"], path)
            #expect(outcome.status == 1)
            #expect(outcome.lines.contains("keys_done: 1"))
            #expect(outcome.output.contains("answers_problem: "), "\(outcome.output)")
        }
    }

    @Test("compact frees the space of removed pages, and nothing is lost")
    func compact() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            try await Self.fill(path)
            let big = StoreRun(path)
            big.settle()
            for number in Int64(100)...200 {
                big.pages.put(number, "a", at: big.clock.millisecondsSinceEpoch, String(repeating: "x", count: 10_000))
            }
            big.write()
            for number in Int64(100)...200 { big.pages.remove(number) }
            big.close()
            let outcome = await Self.run(["compact"], path)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let sizes = try #require(
                outcome.output.firstMatch(of: /compacted .*-answers from ([0-9]+) to ([0-9]+) bytes/)
            ).output
            #expect(try #require(Int(sizes.1)) > 1_000_000)
            #expect(try #require(Int(sizes.2)) < 200_000)
            let next = StoreRun(path)
            next.settle()
            #expect(next.pages.pages == big.pages.pages)
            #expect(next.pages.pages.count == 50)
            next.close()
            try await StoreKind.withSQLite(path) { store async throws in
                #expect(try await store.state(of: CallerKey("done")) != nil)
            }
        }
    }

    @Test("remove removes the answers and asks first; the keys only with --keys")
    func remove() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            try await Self.fill(path)
            try write("set aside", to: path + "-answers.set-aside-20260101T000000Z")
            let unasked = await Self.run(["remove"], path)
            #expect(unasked.status == 64 && unasked.errors.contains("--yes"), "\(unasked.errors)")
            let answers = await Self.run(["remove", "--yes"], path)
            #expect(answers.status == 0, "\(answers.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(files == ["state.db", "state.db-owners"])
            let keys = await Self.run(["remove", "--yes", "--keys"], path)
            #expect(keys.status == 0, "\(keys.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["state.db-owners"])
        }
    }

    @Test("remove --keys refuses a file that is not a state file, and removes an empty or damaged one")
    func removeForeign() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            try write("notes of mine", to: path)
            let text = await Self.run(["remove", "--yes", "--keys"], path)
            #expect(text.status == 1 && text.errors.contains("it is not a file of this service"), "\(text.errors)")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "notes of mine")
            _ = await TestProcess.run("sqlite3", [folder + "/other.db", "CREATE TABLE a (b)"])
            let other = await Self.run(["remove", "--yes", "--keys"], folder + "/other.db")
            #expect(other.status == 1 && other.errors.contains("nothing was removed"), "\(other.errors)")
            try write("", to: path)
            #expect(await Self.run(["remove", "--yes", "--keys"], path).status == 0)
            try await Self.fill(path)
            let file = try FileHandle(forUpdating: URL(filePath: path))
            try file.seek(toOffset: 100)
            try file.write(contentsOf: Data(repeating: 0xFF, count: 3000))
            try file.close()
            let damaged = await Self.run(["remove", "--yes", "--keys"], path)
            #expect(damaged.status == 0, "\(damaged.errors)")
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test(
        "without a file, each command names the path and creates nothing", arguments: ["inspect", "compact", "remove"])
    func missing(command: String) async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let outcome = await Self.run([command] + (command == "remove" ? ["--yes"] : []), path)
            #expect(outcome.status == 66 && outcome.errors.contains(path), "\(outcome.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    @Test("while a service uses the files, inspect says so, and nothing is compacted or removed")
    func inUse() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            try await RunningService.with(["--state-file", path]) { _ async throws in
                #expect(await Self.run(["inspect"], path).lines.contains("in_use: yes"))
                for arguments in [["compact"], ["remove", "--yes"], ["remove", "--yes", "--keys"]] {
                    let outcome = await Self.run(arguments, path)
                    #expect(outcome.status == 75, "\(outcome.errors)")
                    #expect(outcome.errors.contains("a service uses it; nothing was changed"), "\(outcome.errors)")
                }
            }
            #expect(await Self.run(["inspect"], path).lines.contains("in_use: no"))
        }
    }

    @Test("the last changes of accounts are those of the window, with the time from which answers show them")
    func lastChanges() async throws {
        try await withTemporaryFolder { folder async throws in
            try await StoreKind.withSQLite(folder + "/state.db") { store async throws in
                let start = Timestamp.start
                let seconds = start.secondsSinceEpoch
                try await store.finished(CallerKey("done"), at: start)
                #expect(
                    await store.lastChanges(at: start) == [AccountID(literal: "account"): (seconds + 1) * 1000])
                // Its outcome is unknown, so it may have taken effect later.
                try await store.leftUnknown(CallerKey("unknown"))
                #expect(
                    await store.lastChanges(at: start) == [AccountID(literal: "account"): (seconds + 600) * 1000])
                _ = try await store.claimed(CallerKey("claimed"), at: start.after(.seconds(1000)))
                #expect(
                    await store.lastChanges(at: start) == [AccountID(literal: "account"): (seconds + 600) * 1000])
                #expect(await store.lastChanges(at: start.after(.seconds(86_400))) == [:])
            }
        }
    }
}
