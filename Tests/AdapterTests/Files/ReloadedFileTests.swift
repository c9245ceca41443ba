import Adapters
import DomainFakes
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@Suite("Reloaded file", .timeLimit(.minutes(10)))
struct ReloadedFileTests {
    typealias Text = ReloadedFile<String>

    /// So long that each change in a test is reported by inotify.
    private static let hardlyEver = TimeAmount.hours(1)

    /// Reloads the file while `test` runs. The content "broken" is refused.
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

    /// Returns when the value is `text`.
    private static func wait(for text: String, _ reloaded: Text) async throws {
        while true {
            let (value, version) = reloaded.versioned
            if value == text { return }
            try Task.checkCancellation()
            await reloaded.change(since: version)
        }
    }

    @Test("inotify reports a change, and the new value is used")
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

    @Test("a link swapped as Kubernetes does it is followed")
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

    @Test("while the file is invalid, the previous value stays in use and one warning is logged")
    func broken() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            let lines = Event<String>()
            let logger = Logger(label: "test") { _ in LineLogHandler { lines.fire($0) } }
            try await Self.following(folder + "/file", logger: logger) { reloaded in
                let warning =
                    "cannot reload the texts: the previous version stays in use reason=\(folder)/file: "
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
                #expect(try await lines.next() == "the texts can be read again and have not changed")
                #expect(reloaded.problem == nil && reloaded.versioned.version == 0)
                try replace(with: "two")
                #expect(try await lines.next() == "reloaded the texts")
                #expect(reloaded.value == "two")
            }
        }
    }

    @Test("an invalid file at the start is an error")
    func first() async throws {
        try await withTemporaryFolder { folder in
            try write("broken", to: folder + "/file")
            await #expect(throws: FileProblem(path: folder + "/file", reason: "it is broken")) {
                try await Self.following(folder + "/file") { _ in }
            }
        }
    }

    @Test("refresh() reads the current content without a watch")
    func refreshed() async throws {
        try await withTemporaryFolder { folder in
            try write("one", to: folder + "/file")
            let file = PrivateFile(path: folder + "/file")
            // Not run, so without a watch.
            let reloaded = try Text("texts", files: [file], eventLoop: testEventLoop, logger: .silent) {
                () throws(FileProblem) in String(decoding: try file.read(), as: UTF8.self)
            }
            // The same size, and within one step of the file system's clock.
            for text in ["two", "six", "ten"] {
                try write(text, to: file.path)
                await reloaded.refresh()
                #expect(reloaded.value == text)
            }
        }
    }

    @Test("cancelling a task ends its wait for a change")
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
                // An earlier change returns immediately.
                await reloaded.change(since: -1)
            }
        }
    }
}
