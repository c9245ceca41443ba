import Adapters
import Foundation
import Synchronization
import Testing

@Suite("A private file", .timeLimit(.minutes(1)))
struct PrivateFileTests {
    private static func status(_ path: String) throws -> stat {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status
    }

    private static func mode(_ path: String) throws -> mode_t { try status(path).st_mode & 0o7777 }

    private static func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private static func replace(_ path: String, with text: String) throws(FileProblem) {
        try PrivateFile(path: path).update { _ in Array(text.utf8) }
    }

    // MARK: Reading

    @Test(
        "that others may use is refused, with its mode, its owner and what to do",
        arguments: [0o640, 0o604, 0o660, 0o622]
    )
    func shared(mode: Int) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/file"
            try write("text", to: path)
            chmod(path, mode_t(mode))
            let problem = #expect(throws: FileProblem.self) { try PrivateFile(path: path).read() }
            let user = String(cString: try #require(getpwuid(geteuid())).pointee.pw_name)
            #expect(
                "\(try #require(problem))" == "\(path): others than its owner may use it: its mode is "
                    + "0\(String(mode, radix: 8)) and its owner \(user) (\(geteuid())); run chmod 600 \(path), or allow it "
                    + "with --allow-shared-file")
            #expect(try PrivateFile(path: path, mayBeShared: true).read() == Array("text".utf8))
        }
    }

    @Test("of another user is refused, with both users", .enabled(if: geteuid() == 0, "takes root to give a file away"))
    func foreign() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/file"
            try write("text", to: path)
            try #require(chown(path, 4711, 4711) == 0)
            let problem = #expect(throws: FileProblem.self) { try PrivateFile(path: path).read() }
            let text = "\(try #require(problem))"
            #expect(
                text.contains(
                    "it belongs to another user: its mode is 0600 and its owner 4711, and this program runs as "))
            #expect(text.contains("; run chown 0 \(path), or allow it with --allow-shared-file"))
            #expect(try PrivateFile(path: path, mayBeShared: true).read() == Array("text".utf8))
        }
    }

    @Test("in a folder that everybody may write to is refused, unless they may only write their own files there")
    func folder() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/file"
            try write("text", to: path)
            chmod(folder, 0o777)
            let problem = #expect(throws: FileProblem.self) { try PrivateFile(path: path).read() }
            #expect(try #require(problem).reason.contains("everybody may write to its folder: the mode of "))
            chmod(folder, 0o1777)
            #expect(try PrivateFile(path: path).read() == Array("text".utf8))
        }
    }

    @Test("that is a folder, a pipe, too large or not there is refused at once, and says so")
    func noFile() async throws {
        try await withTemporaryFolder { folder in
            try #require(mkfifo(folder + "/pipe", 0o600) == 0)
            try write(String(repeating: "x", count: 1_048_577), to: folder + "/large")
            for (name, reason) in [
                ("", "not a regular file"), ("/pipe", "not a regular file"), ("/large", "larger than 1048576 bytes"),
                ("/none", "no such file"),
            ] {
                let problem = #expect(throws: FileProblem.self) { try PrivateFile(path: folder + name).read() }
                #expect(problem?.reason == reason)
            }
        }
    }

    // MARK: Writing

    @Test("is made for its owner alone, whatever the umask", .serialized, arguments: [0o000, 0o022, 0o077])
    func made(umask: Int) async throws {
        // In a process of its own, since the umask is the whole process's.
        await #expect(processExitsWith: .success) { [umask] in
            Foundation.umask(mode_t(umask))
            try await withTemporaryFolder { folder in
                // A file in a folder that everybody may write to would be refused.
                chmod(folder, 0o700)
                try PrivateFileTests.replace(folder + "/file", with: "text")
                #expect(try PrivateFileTests.mode(folder + "/file") == 0o600)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
            }
        }
    }

    @Test("keeps its mode and owner, and stays behind the links that lead to it")
    func cached() async throws {
        try await withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/real", withIntermediateDirectories: false)
            let real = folder + "/real/file"
            try write("old", to: real)
            chmod(real, 0o400)
            if geteuid() == 0 { try #require(chown(real, 4711, 4712) == 0) }
            let before = try Self.status(real)
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link", withDestinationPath: "real/file")
            try PrivateFile(path: folder + "/link", mayBeShared: true).update { _ in Array("new".utf8) }
            let after = try Self.status(real)
            #expect(try Self.text(real) == "new" && after.st_mode == before.st_mode)
            #expect(after.st_uid == before.st_uid && after.st_gid == before.st_gid)
            #expect(try Self.status(folder + "/link").st_mode & S_IFMT == S_IFLNK)
        }
    }

    @Test("is left as it is by a change that fails, and by a file that may not be read")
    func failed() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/file"
            try write("old", to: path)
            #expect(throws: FileProblem(path: path, reason: "no")) {
                try PrivateFile(path: path).update { _ throws(FileProblem) in
                    throw FileProblem(path: path, reason: "no")
                }
            }
            chmod(path, 0o644)
            #expect(throws: FileProblem.self) { try Self.replace(path, with: "new") }
            #expect(try Self.text(path) == "old")
            #expect(throws: FileProblem.self) { try Self.replace(folder + "/nowhere/file", with: "new") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        }
    }

    @Test("is whole when the disk is full, and the change is told to have failed")
    func full() async throws {
        await #expect(processExitsWith: .success) {
            try await withTemporaryFolder { folder in
                let path = folder + "/file"
                try write("old", to: path)
                // A disk that takes no more than 100 bytes.
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit(rlim_cur: 100, rlim_max: 100)
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
                let text = String(repeating: "x", count: 10_000)
                let problem = #expect(throws: FileProblem.self) { try PrivateFileTests.replace(path, with: text) }
                #expect(problem?.reason.hasPrefix("cannot be written") == true)
                #expect(try PrivateFileTests.text(path) == "old")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
            }
        }
    }

    @Test("is not replaced by what its reader refuses: too large, not to be parsed, or in a folder of everybody's")
    func readBack() async throws {
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file", bytesMax: 10)
            try file.update { _ in Array("old".utf8) }
            let large = #expect(throws: FileProblem.self) {
                try file.update { _ in [UInt8](repeating: 0, count: 11) }
            }
            #expect(large?.reason == "it would have 11 bytes, more than the 10 that can be read; it was not changed")
            let unreadable = FileProblem(path: file.path, reason: "unreadable")
            var isAsked = false
            #expect(throws: unreadable) {
                try file.update(
                    { _ in Array("new".utf8) },
                    check: { bytes throws(FileProblem) in
                        #expect(bytes == Array("new".utf8))
                        throw unreadable
                    }, beforeReplacing: { isAsked = true })
            }
            #expect(!isAsked)
            #expect(try file.read() == Array("old".utf8))
            chmod(folder, 0o777)
            #expect(throws: FileProblem.self) {
                try PrivateFile(path: folder + "/first").update { _ in Array("new".utf8) }
            }
            chmod(folder, 0o700)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
        }
    }

    @Test("loses no change, however many make one at the same time")
    func concurrent() async throws {
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file")
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        #expect(throws: Never.self) { try file.update { ($0 ?? []) + [UInt8(ascii: "x")] } }
                    }
                }
            }
            let length = try file.read().count
            #expect(length == 50)
        }
    }
}
