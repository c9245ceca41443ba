import Adapters
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Testing

@Suite("File watch", .timeLimit(.minutes(10)))
struct FileWatchTests {
    /// A way to change a file in one step that a watch must detect.
    struct Change: CustomTestStringConvertible {
        let testDescription: String

        /// Relative to the test's folder.
        var path = "watched/file"

        /// Runs before the watch begins. The folder contains `watched/file` with the text "old".
        var prepare: @Sendable (Folder) throws -> Void = { _ in }
        let happen: @Sendable (Folder) throws -> Void
        var after: String? = "new"
    }

    struct Folder: Sendable {
        let top: String

        func path(_ path: String) -> String { top + "/" + path }

        func folder(_ path: String, holding text: String? = nil) throws {
            try FileManager.default.createDirectory(atPath: self.path(path), withIntermediateDirectories: true)
            if let text { try write(text, to: self.path(path + "/file")) }
        }

        func link(_ path: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(atPath: self.path(path), withDestinationPath: target)
        }

        /// Renames `path` to `other` atomically, as rename(2) does.
        func rename(_ path: String, to other: String) throws {
            try #require(Foundation.rename(self.path(path), self.path(other)) == 0)
        }

        func remove(_ path: String) throws {
            try FileManager.default.removeItem(atPath: self.path(path))
        }

        func text(_ path: String) -> String? {
            FileManager.default.contents(atPath: self.path(path)).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private static let changes = [
        Change(testDescription: "written in place", happen: { try write("new", to: $0.path("watched/file")) }),
        Change(
            testDescription: "another put in its place",
            prepare: { try $0.folder("staged", holding: "new") },
            happen: { try $0.rename("staged/file", to: "watched/file") }),
        Change(testDescription: "deleted", happen: { try $0.remove("watched/file") }, after: nil),
        Change(
            testDescription: "made where none was",
            prepare: { try $0.remove("watched/file") },
            happen: { try write("new", to: $0.path("watched/file")) }),
        Change(
            testDescription: "swapped as Kubernetes does it",
            path: "mount/file",
            prepare: {
                try $0.folder("mount/..2026_1", holding: "old")
                try $0.folder("mount/..2026_2", holding: "new")
                try $0.link("mount/..data", to: "..2026_1")
                try $0.link("mount/file", to: "..data/file")
                try $0.link("mount/..data_tmp", to: "..2026_2")
            },
            happen: { try $0.rename("mount/..data_tmp", to: "mount/..data") }),
        Change(
            testDescription: "a link swapped that a link to its folder leads over",
            path: "etc/file",
            prepare: {
                try $0.folder("releases/1", holding: "old")
                try $0.folder("releases/2", holding: "new")
                try $0.folder("run")
                try $0.link("run/current", to: "../releases/1")
                try $0.link("run/next", to: $0.path("releases/2"))
                try $0.link("etc", to: "run/current")
            },
            happen: { try $0.rename("run/next", to: "run/current") }),
        Change(
            testDescription: "its folder made after it",
            path: "later/file",
            prepare: { try $0.folder("staged", holding: "new") },
            happen: { try $0.rename("staged", to: "later") }),
        Change(
            testDescription: "its folder replaced",
            prepare: { try $0.folder("staged", holding: "new") },
            happen: {
                try $0.rename("watched", to: "gone")
                try $0.rename("staged", to: "watched")
            }),
        Change(
            testDescription: "its folder deleted",
            happen: { try $0.remove("watched") }, after: nil),
    ]

    /// The calls that a watch makes.
    struct Notices {
        /// The stream ended: the test's time limit expired.
        struct Ended: Error {}

        private var iterator: AsyncStream<Void>.AsyncIterator

        init(_ notices: AsyncStream<Void>) {
            iterator = notices.makeAsyncIterator()
        }

        mutating func next() async throws {
            guard await iterator.next(isolation: #isolation) != nil else { throw Ended() }
        }
    }

    /// So long that each change in a test is reported by inotify.
    private static let hardlyEver = TimeAmount.hours(1)

    /// Runs a watch while `test` runs, which receives its notices. `test` begins when the watch is set up.
    private static func watching(
        _ paths: [String], interval: TimeAmount = hardlyEver,
        _ test: (inout Notices) async throws -> Void
    ) async throws {
        let (stream, notice) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let watch = FileWatch(paths: paths, interval: interval, eventLoop: testEventLoop, logger: .silent)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await watch.run { notice.yield() } }
            var notices = Notices(stream)
            try await notices.next()
            try await test(&notices)
            tasks.cancelAll()
        }
    }

    @Test(
        "every way to change a file is reported, and the changed file is still watched", arguments: changes)
    func everyChange(change: Change) async throws {
        try await withTemporaryFolder { top in
            let folder = Folder(top: top)
            try folder.folder("watched", holding: "old")
            try change.prepare(folder)
            try await Self.watching([folder.path(change.path)]) { notices in
                try change.happen(folder)
                repeat { try await notices.next() } while folder.text(change.path) != change.after
                guard change.after != nil else { return }
                try write("newer", to: folder.path(change.path))
                repeat { try await notices.next() } while folder.text(change.path) != "newer"
            }
        }
    }

    @Test("changes of several files are reported")
    func several() async throws {
        try await withTemporaryFolder { top in
            let folder = Folder(top: top)
            for name in ["a", "b"] { try folder.folder(name, holding: "old") }
            try await Self.watching(["a/file", "b/file"].map(folder.path)) { notices in
                for path in ["b/file", "a/file"] {
                    try write("new", to: folder.path(path))
                    try await notices.next()
                }
            }
        }
    }

    @Test("a change during a notice causes another notice")
    func meanwhile() async throws {
        try await withTemporaryFolder { top in
            let folder = Folder(top: top)
            try folder.folder("watched", holding: "old")
            let watch = FileWatch(
                paths: [folder.path("watched/file")], interval: Self.hardlyEver, eventLoop: testEventLoop,
                logger: .silent)
            let (calls, call) = AsyncStream<Void>.makeStream()
            let (releases, release) = AsyncStream<Void>.makeStream()
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    var released = releases.makeAsyncIterator()
                    await watch.run {
                        call.yield()
                        await released.next(isolation: #isolation)
                    }
                }
                var called = Notices(calls)
                try await called.next()
                try write("new", to: folder.path("watched/file"))
                release.yield()
                try await called.next()
                tasks.cancelAll()
            }
        }
    }

    @Test("without inotify events, notices come at the interval")
    func interval() async throws {
        try await withTemporaryFolder { top in
            try await Self.watching([top + "/file"], interval: .milliseconds(1)) { notices in
                for _ in 0..<3 { try await notices.next() }
            }
        }
    }

    @Test("a cycle of links ends")
    func circle() async throws {
        try await withTemporaryFolder { top in
            let folder = Folder(top: top)
            try folder.link("a", to: "b")
            try folder.link("b", to: "a")
            try await Self.watching([folder.path("a"), folder.path("a/file")]) { notices in
                try folder.remove("b")
                try await notices.next()
            }
        }
    }

    // In separate processes, in which no other test opens or needs a descriptor.

    @Test("a watch opens one inotify descriptor and closes it when it is cancelled")
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            func open() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0))?
                        .contains("inotify") ?? false
                }
            }
            let before = try open()
            for _ in 0..<3 {
                try await FileWatchTests.watching(["/tmp/file"]) { _ in
                    let during = try open()
                    #expect(during == before + 1)
                }
                let after = try open()
                #expect(after == before)
            }
            let watch = FileWatch(paths: ["/tmp/file"], eventLoop: testEventLoop, logger: .silent)
            let cancelled = Task {
                await untilCancelled()
                await watch.run {}
            }
            cancelled.cancel()
            await cancelled.joined
            let after = try open()
            #expect(after == before)
        }
    }

    @Test("if inotify is not available, a warning is logged and notices come at the interval")
    func refused() async {
        await #expect(processExitsWith: .success) {
            let (warnings, warning) = (
                Event<Void>(), "inotify is not available: files are checked at an interval"
            )
            let watch = FileWatch(
                paths: ["/tmp/file"], interval: .milliseconds(1), eventLoop: testEventLoop,
                logger: .announcing(warning, warnings))
            try await testEventLoop.submit {}.get()
            var limit = rlimit()
            try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
            let (stream, notice) = AsyncStream<Void>.makeStream()
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none) == 0)
            // The watch opens its inotify instance before its first suspension.
            let watching = Task.immediate { await watch.run { notice.yield() } }
            // At once, since libdispatch traps if it cannot open a file in /proc, which it does every second.
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            try await warnings.next()
            var notices = Notices(stream)
            for _ in 0..<3 { try await notices.next() }
            watching.cancel()
            await watching.joined
        }
    }
}
