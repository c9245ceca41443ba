import Adapters
import Foundation
import Synchronization
import Testing

@Suite("Private file", .timeLimit(.minutes(10)))
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
        "a file that other users may access is refused, with its mode, its owner and the remedy",
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

    @Test(
        "a file of another user is refused, and the error names both users",
        .enabled(if: geteuid() == 0, "chown needs root"))
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

    @Test("a world-writable folder is refused unless it has the sticky bit")
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

    @Test("a folder, a pipe, a missing or too large file is refused without blocking")
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

    @Test("a new file has mode 0600 under any umask", .serialized, arguments: [0o000, 0o022, 0o077])
    func made(umask: Int) async throws {
        // In a separate process, since the umask belongs to the process.
        await #expect(processExitsWith: .success) { [umask] in
            Foundation.umask(mode_t(umask))
            try await withTemporaryFolder { folder in
                // A file in a world-writable folder would be refused.
                chmod(folder, 0o700)
                try PrivateFileTests.replace(folder + "/file", with: "text")
                #expect(try PrivateFileTests.mode(folder + "/file") == 0o600)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["file"])
            }
        }
    }

    @Test("an update preserves mode and owner, and replaces the target of links")
    func preserved() async throws {
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

    @Test("a failed update leaves the file unchanged")
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

    @Test("on a full disk the update fails and the old file is complete")
    func full() async throws {
        await #expect(processExitsWith: .success) {
            try await withTemporaryFolder { folder in
                let path = folder + "/file"
                try write("old", to: path)
                // Simulates a disk that is full after 100 bytes.
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

    @Test("an update that readers would refuse does not replace the file")
    func readBack() async throws {
        try await withTemporaryFolder { folder in
            let file = PrivateFile(path: folder + "/file", bytesMax: 10)
            try file.update { _ in Array("old".utf8) }
            let large = #expect(throws: FileProblem.self) {
                try file.update { _ in [UInt8](repeating: 0, count: 11) }
            }
            #expect(
                large?.reason == "the new content has 11 bytes, more than the limit of 10; the file was not changed")
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

    @Test("concurrent updates lose no change")
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
