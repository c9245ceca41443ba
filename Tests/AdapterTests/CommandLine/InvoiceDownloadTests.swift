import Adapters
import Foundation
import Synchronization
import Testing

@Suite("billing-service invoices download", .timeLimit(.minutes(10)))
struct InvoiceDownloadTests {
    private static let target = "/v2/billing/invoices/i-1/download"
    private static let pdf = Array("%PDF-1.7\n".utf8) + [UInt8](repeating: 0x80, count: 3_000_000)

    private func download(_ arguments: [String], _ answer: Reply) async throws -> TestProcess.Outcome {
        try await FakeBilling.run(["invoices", "download", "i-1"] + arguments, answers: [Self.target: answer])
    }

    private func files(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder)
    }

    @Test("the file has the bytes of the PDF, and only its owner can read it")
    func file() async throws {
        try await withTemporaryFolder { folder in
            for (name, length) in [("a.pdf", Self.pdf.count), ("ü b\n.pdf", nil)] {
                let path = folder + "/" + name
                let outcome = try await download(["--output", path], .pdf(Self.pdf, length: length))
                #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome)")
                #expect(outcome.errors == "\(path): 3.0 MB\n")
                #expect(try Data(contentsOf: URL(filePath: path)) == Data(Self.pdf))
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
            #expect(try files(in: folder).count == 2)
        }
    }

    @Test("a file name need not be UTF-8")
    func systemName() async throws {
        try await withTemporaryFolder { folder in
            try await withServer(FakeBilling([Self.target: .pdf(Self.pdf)])) { server in
                let outcome = await TestProcess.run(
                    "bash",
                    [
                        "-c",
                        "cd \"$1\"; \"$0\" invoices download i-1 --url http://127.0.0.1:\(server.port) --output $'a\\xff' "
                            + "&& wc -c < $'a\\xff'",
                        TestProcess.billingService, folder,
                    ], environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 0 && outcome.lines == ["\(Self.pdf.count)"], "\(outcome)")
            }
        }
    }

    @Test("- writes to standard output, unless that is a terminal")
    func standardOutput() async throws {
        try await withServer(FakeBilling([Self.target: .pdf(Self.pdf)])) { server in
            let arguments = [
                "invoices", "download", "i-1", "--output", "-", "--url", "http://127.0.0.1:\(server.port)",
            ]
            let environment = ["BILLING_TOKEN": "token"]
            let counted = await TestProcess.run(
                "bash", ["-c", "\"$0\" \"$@\" | wc -c", TestProcess.billingService] + arguments,
                environment: environment)
            #expect(counted.lines == ["\(Self.pdf.count)"] && counted.errors.isEmpty, "\(counted)")
            let full = await TestProcess.run(
                "bash", ["-c", "\"$0\" \"$@\" > /dev/full", TestProcess.billingService] + arguments,
                environment: environment)
            #expect(full.status == 1 && full.errors.contains("No space left on device"), "\(full)")
            let gone = await TestProcess.run(
                "bash", ["-c", "\"$0\" \"$@\" | true; echo ${PIPESTATUS[0]}", TestProcess.billingService] + arguments,
                environment: environment)
            #expect(gone.lines == ["141"] && gone.errors.isEmpty, "\(gone)")
            let terminal = await TestTerminal.run(
                TestProcess.billingService, arguments, columns: 80, environment: environment)
            #expect(terminal.status == 64 && terminal.output.contains("standard output is a terminal"), "\(terminal)")
        }
    }

    @Test("an existing file is replaced only with --overwrite, which is checked before the download")
    func existing() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/a.pdf"
            try write("old", to: path)
            let fake = FakeBilling([Self.target: .pdf(Self.pdf)])
            try await withServer(fake) { server in
                let arguments = ["invoices", "download", "i-1", "--url", "http://127.0.0.1:\(server.port)", "--output"]
                let environment = ["BILLING_TOKEN": "token"]
                try FileManager.default.createSymbolicLink(
                    atPath: folder + "/link", withDestinationPath: folder + "/nothing")
                for (output, flags, reason) in [
                    (path, [], "already exists; --overwrite replaces it"),
                    (folder, ["--overwrite"], "is a directory"),
                    (folder + "/link", ["--overwrite"], "is a symbolic link"),
                    ("/dev/full", ["--overwrite"], "is not a regular file; --output - writes to standard output"),
                    (folder + "/none/a.pdf", [], "no such file"), (folder + "/new/", [], "no such file"),
                    (folder + "/" + String(repeating: "x", count: 300), [], "File name too long"),
                ] {
                    let outcome = await TestProcess.run(
                        TestProcess.billingService, arguments + [output] + flags, environment: environment)
                    #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome)")
                }
                #expect(fake.targets.isEmpty)
                #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
                let outcome = await TestProcess.run(
                    TestProcess.billingService, arguments + [path, "--overwrite"], environment: environment)
                #expect(outcome.status == 0, "\(outcome)")
                #expect(try Data(contentsOf: URL(filePath: path)) == Data(Self.pdf))
                #expect(try files(in: folder).sorted() == ["a.pdf", "link"])
            }
        }
    }

    @Test("a file that appears during the download is not replaced")
    func appearing() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/a.pdf"
            let outcome = try await download(
                ["--output", path], .pdf(Self.pdf) { try? write("other", to: path) })
            #expect(outcome.status == 1 && outcome.errors.contains("appeared during the download"), "\(outcome)")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "other")
            #expect(try files(in: folder) == ["a.pdf"])
        }
    }

    @Test("a download that is cut off, is no PDF or is refused leaves no file")
    func cutOff() async throws {
        try await withTemporaryFolder { folder in
            for (answer, exitCode, reason) in [
                (Reply.pdf(Self.pdf, ending: .broken), 1, "the download was cut off after "),
                (
                    .pdf(Self.pdf, length: Self.pdf.count + 1, ending: .broken), 1,
                    "the download was cut off after 3.0 MB"
                ),
                (.pdf(Array("<html>".utf8)), 1, "which is no answer of the service"),
                (.pdf([]), 1, "which is no answer of the service"),
                (.json(#"{"code":2100,"message":"Self pay."}"#, status: 400), 65, "Self pay."),
            ] as [(Reply, Int32, String)] {
                let outcome = try await download(["--output", folder + "/a.pdf"], answer)
                #expect(outcome.status == exitCode && outcome.errors.contains(reason), "\(outcome)")
                #expect(try files(in: folder).isEmpty)
            }
        }
    }

    @Test("a signal ends a download, and leaves no file", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signals(signal: Int32) async throws {
        let (begun, cancelled) = (Event<Void>(), Event<Void>())
        let answer = Reply.pdf(Self.pdf) {
            begun.fire()
            await untilCancelled()
            cancelled.fire()
        }
        try await withTemporaryFolder { folder in
            try await withServer(FakeBilling([Self.target: answer])) { server in
                let process = TestProcess(
                    TestProcess.billingService,
                    [
                        "invoices", "download", "i-1", "--output", folder + "/a.pdf", "--url",
                        "http://127.0.0.1:\(server.port)",
                    ], environment: ["BILLING_TOKEN": "token"])
                _ = try await begun.next()
                #expect(try files(in: folder).count == 1)
                process.signal(signal)
                let outcome = await process.outcome()
                #expect(outcome.status == 1 && outcome.errors == "billing-service: interrupted\n", "\(outcome)")
                #expect(try files(in: folder).isEmpty)
                _ = try await cancelled.next()
            }
        }
    }

    @Test("a silent service ends a download after --timeout")
    func silence() async throws {
        try await withTemporaryFolder { folder in
            let outcome = try await download(
                ["--output", folder + "/a.pdf", "--timeout", "1s"], .pdf(Self.pdf) { await untilCancelled() })
            #expect(outcome.status == 1 && outcome.errors.contains("sent nothing for 1s (--timeout)"), "\(outcome)")
            #expect(try files(in: folder).isEmpty)
        }
    }

    @Test("a terminal shows a progress bar within one line, and a dumb one shows none")
    func progress() async throws {
        try await withTemporaryFolder { folder in
            try await withServer(FakeBilling([Self.target: .pdf(Self.pdf, length: Self.pdf.count)])) { server in
                for (terminal, columns) in [("xterm", 70), ("xterm", 12), ("dumb", 70)] {
                    let outcome = await TestTerminal.run(
                        TestProcess.billingService,
                        [
                            "invoices", "download", "i-1", "--overwrite", "--output", folder + "/a.pdf", "--url",
                            "http://127.0.0.1:\(server.port)",
                        ], columns: columns, terminal: terminal, environment: ["BILLING_TOKEN": "token"])
                    #expect(outcome.status == 0 && outcome.output.hasSuffix("/a.pdf: 3.0 MB\r\n"), "\(outcome)")
                    let bars = outcome.output.components(separatedBy: "\r\u{1B}[K").dropFirst().dropLast()
                    #expect(bars.isEmpty == (terminal == "dumb"), "\(outcome)")
                    for bar in bars { #expect(bar.count < columns && bar.contains("of 3.0 MB".prefix(2)), "\(bar)") }
                }
            }
        }
    }
}
