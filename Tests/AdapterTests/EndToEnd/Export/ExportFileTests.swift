import Adapters
import Domain
import Foundation
import Synchronization
import Testing

@Suite("Export to a file", .timeLimit(.minutes(10)))
struct ExportFileTests {
    private static let program = TestProcess.billingService
    private static let ids = (1000..<1250).map { "account-\($0)" }

    /// A fake service whose second page waits until the test releases it.
    private struct Held {
        let streams: FakeStreams
        let server: HTTPServer
        let folder: String
        /// Fires when the second page is requested.
        let requested: Event<Void>
        let released: Event<Void>

        var output: String { folder + "/out" }
        var url: String { "http://127.0.0.1:\(server.port)" }

        func start(_ arguments: String...) -> TestProcess {
            TestProcess(
                ExportFileTests.program, ["export", "--url", url, "--output", output] + arguments,
                environment: ["BILLING_TOKEN": "token"])
        }

        func export(_ arguments: String...) async -> TestProcess.Outcome {
            await TestProcess.run(
                ExportFileTests.program, ["export", "--url", url, "--output", output] + arguments,
                environment: ["BILLING_TOKEN": "token"])
        }

        /// The content of every file in the folder, by its name.
        func files() throws -> [String: Data] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            return Dictionary(
                uniqueKeysWithValues: names.map {
                    ($0, FileManager.default.contents(atPath: "\(folder)/\($0)") ?? Data())
                })
        }

        func exportedIDs() throws -> [String] {
            try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map { line in
                try #require(line.firstMatch(of: /"account_id":"([^"]+)"/).map { String($0.output.1) })
            }
        }
    }

    private func withHeldService(_ test: (Held) async throws -> Void) async throws {
        let (requested, released) = (Event<Void>(), Event<Void>())
        let streams = FakeStreams(ids: Self.ids) { number in
            guard number == 2 else { return nil }
            requested.fire()
            try? await released.next()
            return nil
        }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                try await test(
                    Held(streams: streams, server: server, folder: folder, requested: requested, released: released))
            }
        }
    }

    /// Starts an export and kills it with SIGKILL after its first page.
    private func interrupt(_ held: Held, _ arguments: [String]) async throws {
        let process = TestProcess(
            Self.program, ["export", "--url", held.url, "--output", held.output] + arguments,
            environment: ["BILLING_TOKEN": "token"])
        try await held.requested.next()
        process.signal(SIGKILL)
        #expect(await process.outcome().status == 128 + SIGKILL)
        held.released.fire()
    }

    @Test("a second process that writes the same file exits with 75, names the first, and changes nothing")
    func twoWriters() async throws {
        try await withHeldService { held in
            let first = held.start()
            try await held.requested.next()
            let before = try held.files()
            let writer = try #require(first.processID)
            let seconds = [await held.export(), await held.export("--resume"), await held.export("--format", "csv")]
            for second in seconds {
                #expect(second.status == 75)
                #expect(second.errors.contains("process \(writer) is writing this export"), "\(second.errors)")
            }
            #expect(try held.files() == before)
            #expect(held.streams.requestCount == 2)
            held.released.fire()
            let outcome = await first.outcome()
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try held.exportedIDs() == Self.ids)
            #expect(try held.files().keys.sorted() == ["out"])
        }
    }

    @Test("the lock of a killed process is released")
    func killedWriter() async throws {
        try await withHeldService { held in
            try await interrupt(held, [])
            #expect(try held.files().keys.sorted() == ["out.partial", "out.partial.state"])
            let outcome = await held.export("--resume")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try held.exportedIDs() == Self.ids)
        }
    }

    @Test("an export without a running service can be resumed after a signal")
    func signal() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/billing.ndjson"
            let arguments = ["export", "--sandbox", "--sandbox-accounts", "1000", "--output", path]
            let process = TestProcess(TestProcess.billingService, arguments + ["--sandbox-latency", "200ms"])
            let time = SystemTime()
            // The first checkpoint.
            while !FileManager.default.fileExists(atPath: path + ".partial.state") {
                try await time.sleep(until: time.now + .milliseconds(20))
            }
            process.signal(SIGINT)
            let interrupted = await process.outcome()
            #expect(interrupted.status == 1, "\(interrupted)")
            #expect(interrupted.errors.contains("continue it with --resume"), "\(interrupted)")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(left == ["billing.ndjson.partial", "billing.ndjson.partial.state"])
            let partial = try String(contentsOfFile: path + ".partial", encoding: .utf8)
            let resumed = await TestProcess.run(TestProcess.billingService, arguments + ["--resume"])
            // Some accounts of a sandbox are on self pay.
            #expect(resumed.status == 3, "\(resumed)")
            let whole = try String(contentsOfFile: path, encoding: .utf8)
            #expect(whole.split(separator: "\n").count == 1000 && whole.hasPrefix(partial))
        }
    }

    @Test("a refused new export leaves an interrupted export resumable")
    func refusedBeforeTheFirstPage() async throws {
        try await withHeldService { held in
            try await interrupt(held, [])
            let before = try held.files()
            let refused = await TestProcess.run(
                Self.program, ["export", "--url", held.url + "/elsewhere", "--output", held.output],
                environment: ["BILLING_TOKEN": "token"])
            #expect(refused.status == 1 && refused.errors.contains("refused with status 404"), "\(refused.errors)")
            #expect(try held.files() == before)
            #expect(await held.export("--resume").status == 0)
            #expect(try held.exportedIDs() == Self.ids)
        }
    }

    @Test("resuming with another list, other options or another service is refused without a request")
    func otherExports() async throws {
        try await withHeldService { held in
            let list = held.folder + "/list"
            let reordered = held.folder + "/reordered"
            try write(Self.ids.joined(separator: "\n"), to: list)
            // The same length and the same first account.
            try write(([Self.ids[0]] + Self.ids.dropFirst().reversed()).joined(separator: "\n"), to: reordered)
            let options = ["--accounts-from", list, "--fields", "email,city"]
            try await interrupt(held, options)
            let before = try held.files()
            let count = held.streams.requestCount
            for (arguments, reason) in [
                (["--accounts-from", reordered, "--fields", "email,city"], "another list of accounts"),
                (["--fields", "email,city"], "another list of accounts"),
                (["--accounts-from", list], "other options"),
                (["--accounts-from", list, "--fields", "city"], "other options"),
                (options + ["--format", "csv"], "other options"), (options + ["--compress"], "other options"),
                (options + ["--url", "http://localhost:\(held.server.port)"], "another service"),
                (options + ["--url", held.url + "/prefix"], "another service"),
            ] {
                let outcome = await TestProcess.run(
                    Self.program,
                    ["export", "--url", held.url, "--output", held.output, "--resume"] + arguments,
                    environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 1, "\(arguments)")
                #expect(outcome.errors.contains("begun with \(reason)"), "\(arguments): \(outcome.errors)")
            }
            #expect(try held.files() == before)
            #expect(held.streams.requestCount == count)

            held.streams.state.withLock { $0.scope = "two" }
            let other = await TestProcess.run(
                Self.program, ["export", "--url", held.url, "--output", held.output, "--resume"] + options,
                environment: ["BILLING_TOKEN": "token"])
            #expect(other.status == 1 && other.errors.contains("the token of another caller"), "\(other.errors)")
            #expect(try held.files() == before)

            held.streams.state.withLock { $0.scope = "one" }
            // The same list and fields in another notation are the same export.
            try write(Self.ids.joined(separator: "\r\n"), to: list)
            let outcome = await held.export(
                "--resume", "--accounts-from", list, "--fields", " city, email", "--max-age", "60")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try held.exportedIDs() == Self.ids)
        }
    }

    @Test("resuming a complete file succeeds without a request, and is refused with other options")
    func completeFile() async throws {
        try await withHeldService { held in
            held.released.fire()
            #expect(await held.export().status == 0)
            let count = held.streams.requestCount
            let before = try FileManager.default.attributesOfItem(atPath: held.output)
            let again = await held.export("--resume")
            #expect(again.status == 0 && again.errors.contains("is already complete"), "\(again)")
            for arguments in [["--format", "csv"], ["--fields", "city"], ["--compress"]] {
                let other = await TestProcess.run(
                    Self.program, ["export", "--url", held.url, "--output", held.output, "--resume"] + arguments,
                    environment: ["BILLING_TOKEN": "token"])
                #expect(other.status == 1 && other.errors.contains("is already complete, but"), "\(other)")
            }
            let after = try FileManager.default.attributesOfItem(atPath: held.output)
            #expect(held.streams.requestCount == count)
            for key in [FileAttributeKey.modificationDate, .size, .systemFileNumber] {
                #expect(before[key] as? NSObject == after[key] as? NSObject)
            }
            // A copy has no record of its options; only its first bytes show the format.
            let copy = held.folder + "/copy"
            try Data(contentsOf: URL(filePath: held.output)).write(to: URL(filePath: copy))
            for (arguments, status) in [([], 0), (["--format", "csv"], 1), (["--compress"], 1)] as [([String], Int32)] {
                let outcome = await TestProcess.run(
                    Self.program, ["export", "--url", held.url, "--output", copy, "--resume"] + arguments,
                    environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            }
            #expect(held.streams.requestCount == count)
        }
    }

    @Test("a file that appears during the export is not overwritten")
    func fileAppears() async throws {
        try await withHeldService { held in
            let process = held.start()
            try await held.requested.next()
            try write("precious", to: held.output)
            held.released.fire()
            let outcome = await process.outcome()
            #expect(outcome.status == 1 && outcome.errors.contains("appeared during the export"), "\(outcome.errors)")
            #expect(try String(contentsOfFile: held.output, encoding: .utf8) == "precious")
            let both = await held.export("--resume")
            #expect(both.status == 1 && both.errors.contains("move one of them"), "\(both.errors)")
            try FileManager.default.removeItem(atPath: held.output)
            #expect(await held.export("--resume").status == 0)
            #expect(try held.exportedIDs() == Self.ids)
        }
    }

    @Test(
        "export and --resume work in shared folders and with any characters in names",
        arguments: ["shared", "My Exports/ü%20b#?", "new\nline"])
    func folders(name: String) async throws {
        try await withTemporaryFolder { folder in
            let streams = FakeStreams(ids: Self.ids) { number in
                number == 2 ? .text(#"{"message":"Stop here."}"#, status: 403) : nil
            }
            try await withServer(streams) { server in
                let inner = folder + "/" + name
                try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
                try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: inner)
                let arguments = [
                    "export", "--url", "http://127.0.0.1:\(server.port)", "--output", inner + "/o ut",
                ]
                let broken = await TestProcess.run(
                    Self.program, arguments, environment: ["BILLING_TOKEN": "token"])
                #expect(broken.status == 1 && broken.errors.contains("continue it with --resume"), "\(broken.errors)")
                let whole = await TestProcess.run(
                    Self.program, arguments + ["--resume"], environment: ["BILLING_TOKEN": "token"])
                #expect(whole.status == 0, "\(whole.errors)")
                let text = try String(contentsOfFile: inner + "/o ut", encoding: .utf8)
                #expect(text.split(separator: "\n").count == Self.ids.count)
                #expect(try FileManager.default.contentsOfDirectory(atPath: inner) == ["o ut"])
            }
        }
    }

    @Test("an unusable output path is refused before the first request")
    func impossibleOutputs() async throws {
        try await withHeldService { held in
            let link = held.folder + "/link"
            try FileManager.default.createSymbolicLink(
                atPath: link + ".partial", withDestinationPath: held.folder + "/elsewhere")
            for (output, reason) in [
                (held.folder, "is a directory"), ("/dev/null", "not a regular file"),
                ("/dev/full", "not a regular file"),
                (held.folder + "/none/out", "no such file"), (link, "a symbolic link"),
                // The name of the checkpoint would be too long, the name of the file is not.
                (held.folder + "/" + String(repeating: "n", count: 240), "name too long"),
            ] {
                for flags in [[], ["--resume"]] {
                    let outcome = await TestProcess.run(
                        Self.program, ["export", "--url", held.url, "--output", output] + flags,
                        environment: ["BILLING_TOKEN": "token"])
                    #expect(outcome.status == 1, "\(output)")
                    #expect(outcome.errors.lowercased().contains(reason), "\(outcome.errors)")
                }
            }
            #expect(held.streams.requestCount == 0)
            #expect(try held.files().keys.sorted() == ["link.partial"])
        }
    }
}
