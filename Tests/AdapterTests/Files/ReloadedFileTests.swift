import Adapters
import DomainFakes
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("A file that is read again when it changes", .timeLimit(.minutes(1)))
struct ReloadedFileTests {
    typealias Text = ReloadedFile<String>

    /// So rarely that what a test sees is what the system told.
    private static let hardlyEver = TimeAmount.hours(1)

    /// Follows the file while `test` runs; "broken" is what cannot be read.
    private static func following(
        _ path: String, interval: TimeAmount = hardlyEver, logger: Logger = .silent,
        _ test: (Text) async throws -> Void
    ) async throws {
        let file = PrivateFile(path: path)
        let reloaded = try Text("texts", files: [file], interval: interval, eventLoop: testEventLoop, logger: logger) {
            () throws(FileProblem) in
            let text = String(decoding: try file.read(), as: UTF8.self)
            guard text != "broken" else { throw FileProblem(path: path, reason: "it is broken") }
            return text
        }
        try await withServices([reloaded]) { try await test(reloaded) }
    }

    /// Once it has the text.
    private static func wait(for text: String, _ reloaded: Text) async throws {
        while true {
            let (value, version) = reloaded.versioned
            if value == text { return }
            try Task.checkCancellation()
            await reloaded.change(since: version)
        }
    }

    @Test("gives the new value, by the system's notice")
    func changes() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            try await Self.following(folder + "/file") { reloaded in
                #expect(reloaded.value == "one" && reloaded.problem == nil)
                for text in ["two", "three"] {
                    try PrivateFile(path: folder + "/file").update { _ in Array(text.utf8) }
                    try await Self.wait(for: text, reloaded)
                }
                #expect(reloaded.versioned.version == 2)
            }
        }
    }

    @Test("follows a link that is swapped, as Kubernetes swaps it")
    func swapped() async throws {
        try await withTemporaryFolder { folder in
            for (name, text) in [("..1", "one"), ("..2", "two")] {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: false)
                try write(text, to: "\(folder)/\(name)/file")
            }
            for (link, target) in [("..data", "..1"), ("file", "..data/file"), ("..next", "..2")] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/\(link)", withDestinationPath: target)
            }
            try await Self.following(folder + "/file") { reloaded in
                #expect(reloaded.value == "one")
                try #require(rename(folder + "/..next", folder + "/..data") == 0)
                try await Self.wait(for: "two", reloaded)
            }
        }
    }

    @Test("keeps the last good value while it cannot be used, says so once, and goes on when it can")
    func broken() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            try await Self.following(folder + "/file", logger: logger) { reloaded in
                let warning =
                    "the texts as they are now cannot be used: the last good ones stay in use reason=\(folder)/file: "
                func replace(with text: String) throws {
                    try PrivateFile(path: folder + "/file").update { _ in Array(text.utf8) }
                }
                try replace(with: "broken")
                #expect(try await lines.next() == warning + "it is broken")
                #expect(reloaded.value == "one" && reloaded.problem?.reason == "it is broken")
                await reloaded.refresh()
                try FileManager.default.removeItem(atPath: folder + "/file")
                #expect(try await lines.next() == warning + "no such file")
                #expect(reloaded.value == "one")
                try replace(with: "one")
                #expect(try await lines.next() == "the texts can be read again, and are what they were")
                #expect(reloaded.problem == nil && reloaded.versioned.version == 0)
                try replace(with: "two")
                #expect(try await lines.next() == "reloaded the texts")
                #expect(reloaded.value == "two")
            }
        }
    }

    @Test("that cannot be used at first is no value at all")
    func first() async throws {
        try await withTemporaryFolder { folder in
            try write("broken", to: folder + "/file")
            await #expect(throws: FileProblem(path: folder + "/file", reason: "it is broken")) {
                try await Self.following(folder + "/file") { _ in }
            }
        }
    }

    @Test("is read at once by whoever asks for it to be, though nobody was told")
    func refreshed() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            let file = PrivateFile(path: folder + "/file")
            // It is not run: nobody watches.
            let reloaded = try Text("texts", files: [file], eventLoop: testEventLoop, logger: .silent) {
                () throws(FileProblem) in String(decoding: try file.read(), as: UTF8.self)
            }
            // As long as before and within the same step of the file system's clock.
            for text in ["two", "six", "ten"] {
                try write(text, to: file.path)
                await reloaded.refresh()
                #expect(reloaded.value == text)
            }
        }
    }

    @Test("lets whoever waits for a change go when its task is cancelled")
    func cancelled() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            try await Self.following(folder + "/file") { reloaded in
                let waiting = Task.immediate { await reloaded.change(since: 0) }
                waiting.cancel()
                await waiting.joined
                let late = Task {
                    await untilCancelled(); await reloaded.change(since: 0)
                }
                late.cancel()
                await late.joined
                // A change that has been is not waited for.
                await reloaded.change(since: -1)
            }
        }
    }
}
