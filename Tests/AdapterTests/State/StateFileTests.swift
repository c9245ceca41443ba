import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import Testing

@Suite("State file", .timeLimit(.minutes(10)))
struct StateFileTests {
    private static func reason(_ path: String) throws -> String {
        let problem = #expect(throws: FileProblem.self) { _ = try StoreKind.openSQLite(path) }
        #expect(problem?.path == path)
        return try #require(problem).reason
    }

    private static func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("only the owner may use the files that are created")
    func created() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { store in
                try await store.finished(CallerKey("key"))
                let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
                #expect(files == ["state.db", "state.db-owners", "state.db-shm", "state.db-wal"])
                for file in files { #expect(try Self.mode(folder + "/" + file) == 0o600, "\(file)") }
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(files == ["state.db", "state.db-owners"], "the log is written back at the end")
        }
    }

    @Test(
        "names are taken as they are",
        arguments: [
            "with space", "a?mode=ro", "100%25", "#1", "file:state", "'\";--", "-leading", "é", "emoji 🗝",
            "line\nbreak", "*",
        ])
    func names(name: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/" + name
            try await StoreKind.withSQLite(path) { try await $0.finished(CallerKey("key")) }
            try await StoreKind.withSQLite(path) { store async throws in
                #expect(try await store.state(of: CallerKey("key")) == .finished(.done(nil)))
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(Set(files) == [name, name + "-owners"])
        }
    }

    @Test("a name need not be UTF-8, and a path may be relative")
    func bytes() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/" + SystemText.text(of: [0x66, 0xFF, 0xFE])
            try await StoreKind.withSQLite(path) { try await $0.finished(CallerKey("key")) }
            try await StoreKind.withSQLite(path) { store async throws in
                #expect(try await store.state(of: CallerKey("key")) != nil)
            }
            let up = String(
                repeating: "../", count: FileManager.default.currentDirectoryPath.split(separator: "/").count)
            try await StoreKind.withSQLite(up + folder.dropFirst() + "/relative") {
                try await $0.finished(CallerKey("key"))
            }
            #expect(FileManager.default.fileExists(atPath: folder + "/relative"))
        }
    }

    @Test("links are resolved: two names of one file share its keys")
    func links() async throws {
        try await withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/real", withIntermediateDirectories: false)
            let path = folder + "/real/state.db"
            try await StoreKind.withSQLite(path) { first in
                try FileManager.default.createSymbolicLink(
                    atPath: folder + "/link", withDestinationPath: "real/state.db")
                let claim = try await first.claimed(CallerKey("key"))
                try await StoreKind.withSQLite(folder + "/link") { second async throws in
                    #expect(try await second.state(of: CallerKey("key")) == .running)
                }
                try await first.willSend(claim)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["link", "real"])
        }
    }

    @Test("a file that is not certainly a state file is refused, and not changed")
    func foreign() async throws {
        try await withTemporaryFolder { folder in
            let text = folder + "/text"
            try write("{\"credentials\": []}" + String(repeating: " ", count: 5000), to: text)
            let short = folder + "/short"
            try write("x", to: short)
            let other = folder + "/other"
            _ = await SharedStateTests.query(other, "CREATE TABLE money (amount INTEGER)")
            let walled = folder + "/walled"
            _ = await SharedStateTests.query(walled, "PRAGMA journal_mode = WAL; CREATE TABLE money (amount INTEGER)")
            let marked = folder + "/marked"
            _ = await SharedStateTests.query(marked, "PRAGMA user_version = 1")
            for path in [text, short, other, walled, marked] {
                chmod(path, 0o600)
                let before = try Data(contentsOf: URL(filePath: path))
                #expect(try Self.reason(path) == "it is not a state file of this service: name another file")
                #expect(try Data(contentsOf: URL(filePath: path)) == before)
            }
        }
    }

    @Test("a file of a newer version, a damaged file and a file with missing tables are refused")
    func unusable() async throws {
        try await withTemporaryFolder { folder in
            func file(_ name: String) async throws -> String {
                let path = folder + "/" + name
                try await StoreKind.withSQLite(path) { store in
                    for number in 0..<100 { try await store.finished(CallerKey("\(number)")) }
                }
                return path
            }
            let newer = try await file("newer")
            _ = await SharedStateTests.query(newer, "PRAGMA user_version = 2")
            #expect(
                try Self.reason(newer) == """
                    it was written by a newer version of the service (its tables have version 2, and this program knows 1): \
                    run that version, or name another file
                    """)
            let damaged = try await file("damaged")
            let handle = try FileHandle(forUpdating: URL(filePath: damaged))
            try handle.seek(toOffset: 4096)
            try handle.write(contentsOf: Data(repeating: 0x5A, count: 8192))
            try handle.close()
            let reason = try Self.reason(damaged)
            #expect(reason.hasPrefix("it is damaged (") && reason.contains("restore a backup"), "\(reason)")
            let cut = try await file("cut")
            try FileHandle(forUpdating: URL(filePath: cut)).truncate(atOffset: 8192)
            #expect(try Self.reason(cut).hasPrefix("it is damaged ("))
            let tables = try await file("tables")
            _ = await SharedStateTests.query(tables, "DROP TABLE idempotency_keys")
            #expect(try Self.reason(tables).contains("no such table: idempotency_keys"))
        }
    }

    @Test("an empty file is used, unless a write-ahead log shows that it was not empty")
    func empty() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try write("", to: path)
            try await StoreKind.withSQLite(path) { store in
                try await store.finished(CallerKey("key"))
                // As after a crash: the log has changes that the file does not have.
                try FileManager.default.copyItem(atPath: path + "-wal", toPath: folder + "/log")
            }
            try FileManager.default.moveItem(atPath: folder + "/log", toPath: path + "-wal")
            try FileHandle(forUpdating: URL(filePath: path)).truncate(atOffset: 0)
            #expect(try Self.reason(path).hasPrefix("it is empty, but its write-ahead log \(path)-wal is not"))
            try FileManager.default.removeItem(atPath: path)
            #expect(try Self.reason(path).hasPrefix("it is missing, but its write-ahead log \(path)-wal is not"))
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("a file that others can use, a folder, and a file in no folder are refused")
    func permissions() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/state.db"
            try await StoreKind.withSQLite(path) { try await $0.finished(CallerKey("key")) }
            chmod(path, 0o644)
            #expect(try Self.reason(path).contains("others than its owner may use it: its mode is 0644"))
            let shared = try SQLiteIdempotencyStore(
                PrivateFile(path: path, mayBeShared: true), window: StoreKind.window, logger: Logger(label: "test"))
            await shared.close()
            let folderProblem = #expect(throws: FileProblem.self) { _ = try StoreKind.openSQLite(folder) }
            #expect(folderProblem?.reason == "not a regular file")
            let missing = #expect(throws: FileProblem.self) { _ = try StoreKind.openSQLite(folder + "/none/state.db") }
            #expect(missing == FileProblem(path: folder + "/none", reason: "no such folder"))
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "nowhere")
            #expect(try Self.reason(folder + "/link") == "a dangling symbolic link, or a folder")
        }
    }
}
