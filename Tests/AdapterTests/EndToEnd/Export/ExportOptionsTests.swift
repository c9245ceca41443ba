import Adapters
import Foundation
import Synchronization
import Testing

@Suite("billing-service export: options", .timeLimit(.minutes(10)))
struct ExportOptionsTests {
    private static let program = TestProcess.billingService

    private func export(
        _ arguments: [String], environment: [String: String] = [:], input: String = ""
    ) async -> TestProcess.Outcome {
        await TestProcess.run(
            Self.program, ["export"] + arguments,
            environment: ["BILLING_TOKEN": "token"].merging(environment) { $1 }, input: input)
    }

    @Test(
        "an invalid option exits with 64 before a file or a connection is opened",
        arguments: [
            ["--output", ""], ["--output", "x", "--url", ""], ["--output", "x", "--url", "billing"],
            ["--output", "x", "--url", "https://host/?a=b"], ["--output", "x", "--accounts-from", ""],
            ["--output", "x", "--token-file", ""], ["--output", "x", "--fields", ""],
            ["--output", "x", "--fields", "email&order=arrival"], ["--output", "x", "--fields", "email,,city"],
            ["--output", "x", "--fields", "email;city"], ["--output", "x", "--fields", "name"],
            ["--output", "x", "--max-age=-1"], ["--output", "x", "--max-age", "1000000001"],
            ["--output", "x", "--retry-seconds=-1"], ["--output", "x", "--format", "xml"],
            ["--output", "x", "--include", ""], ["--output", "x", "--include", "contacts"],
            ["--output", "x", "--include", "contact,plans", "--format", "csv"],
            ["--output", "x", "--include", "plans", "--fields", "city"], ["--output", "x", "--include", "invoices"],
            ["--output", "x", "--include", "invoices", "--from", "2020-01-01", "--to", "2020-02-01"],
            ["--output", "x", "--include", "plans", "--from", "2026-01-01", "--to", "2026-02-01"],
            ["--output", "x", "--spreadsheet"], ["--output", "-", "--resume"],
            ["--output", "x", "--changed-since", "yesterday"],
            ["--output", "x", "--changed-since", "2026-01-31T12:00:00Z", "--format", "csv"],
            ["--output", "x", "--changed-since", "2026-01-31T12:00:00Z", "--include", "contact,plans"],
            ["--output", "x", "--changed-since", "2026-01-31T12:00:00Z", "--accounts-from", "-"],
            ["--output", "x", "--accounts-from", "-", "--token-file", "/dev/stdin"], ["--output", "x", "--sandbox"],
        ])
    func usage(arguments: [String]) async throws {
        try await withTemporaryFolder { folder in
            let streams = FakeStreams(ids: ["a"])
            try await withServer(streams) { server in
                let outcome = await TestProcess.run(
                    "sh",
                    [
                        "-c", "cd \"$0\"; exec \"$@\"", folder, Self.program, "export", "--url",
                        "http://127.0.0.1:\(server.port)",
                    ] + arguments, environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 64, "\(outcome)")
                #expect(streams.requestCount == 0)
                let files = try FileManager.default.contentsOfDirectory(atPath: folder)
                #expect(files.isEmpty)
            }
        }
    }

    @Test("query values are percent-encoded, fields are trimmed, and the path of the URL is used")
    func target() async throws {
        // "+" and "=" have a meaning in a query.
        let ids = ["a+b=", "c"]
        let streams = FakeStreams(ids: ids, prefix: "/billing/one")
        try await withServer(streams) { server in
            for slash in ["", "/"] {
                let outcome = await export([
                    "--url", "http://127.0.0.1:\(server.port)/billing/one\(slash)", "--output", "-", "--fields",
                    "zip , city", "--max-age", "5",
                ])
                #expect(outcome.status == 0 && outcome.lines.count == 2, "\(outcome)")
            }
            let target = "/billing/one/v2/billing/stream?fields=city%2Czip&max_age=5&limit=100"
            #expect(streams.state.withLock { $0.targets } == [target, target])
        }
    }

    @Test(
        "a permanent failure ends the export without a retry",
        arguments: [
            (400, "application/json", #"{"code":300,"message":"Wrong."}"#, "refused with status 400: Wrong."),
            (401, "application/json", #"{"message":"No."}"#, "refused with status 401: No."),
            (403, "text/html", "<html>", "refused with status 403"),
            (404, "text/html", "<html>", "no stream at this address"), (308, "text/html", "", "the address redirects"),
            (500, "text/html", "<html>", "refused with status 500"),
            (200, "text/html", "<html>login</html>", "responds with text/html, not with a stream"),
            (400, "application/json", "{\"message\":\"\\u001b[31mred\"}", "status 400: \u{FFFD}[31mred"),
        ])
    func permanent(status: Int, type: String, body: String, reason: String) async throws {
        let streams = FakeStreams(ids: ["a"]) { _ in .text(body, status: status, contentType: type) }
        try await withServer(streams) { server in
            let outcome = await export(["--url", "http://127.0.0.1:\(server.port)", "--output", "-"])
            #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome.errors)")
            #expect(streams.requestCount == 1)
        }
    }

    @Test("an HTTP/2 protocol error of the server ends the export after three attempts")
    func protocolError() async throws {
        let script = """
            import socket
            listener = socket.create_server(("127.0.0.1", 0))
            print(listener.getsockname()[1], flush=True)
            while True:
                peer, _ = listener.accept()
                stream = peer.makefile("rb")
                stream.read(24)
                # An empty SETTINGS frame, then RST_STREAM with PROTOCOL_ERROR for each HEADERS frame (type 1).
                peer.sendall(bytes.fromhex("000000040000000000"))
                while head := stream.read(9):
                    stream.read(int.from_bytes(head[:3]))
                    if head[3] == 1:
                        peer.sendall(bytes.fromhex("0000040300") + head[5:] + bytes.fromhex("00000001"))
                peer.close()
            """
        let server = TestProcess("python3", ["-c", script])
        let port = try await server.output(containing: "\n").split(separator: "\n")[0]
        let outcome = await export(["--url", "http://127.0.0.1:\(port)", "--output", "-"])
        #expect(
            outcome.status == 1 && outcome.errors.contains("does not respond like the service over HTTP/2"),
            "\(outcome)")
        server.signal(SIGKILL)
        _ = await server.outcome()
    }

    @Test("an empty list of accounts gives an empty file in every format", arguments: ["ndjson", "csv"])
    func emptyList(format: String) async throws {
        try await withTemporaryFolder { folder in
            for flags in [[], ["--compress"]] {
                let path = folder + "/out" + flags.joined()
                let arguments =
                    [
                        "--url", "http://127.0.0.1:1", "--output", path, "--format", format, "--accounts-from",
                        "/dev/null",
                    ]
                    + flags
                let outcome = await export(arguments)
                #expect(outcome.status == 0, "\(outcome)")
                #expect(await export(arguments + ["--resume"]).status == 0)
                let text = await TestProcess.run(flags.isEmpty ? "cat" : "zcat", [path])
                #expect(text.status == 0, "\(text.errors)")
                #expect(text.output.isEmpty == (format == "ndjson") && text.lines.count < 2)
            }
        }
    }

    // MARK: Lists of accounts

    @Test(
        "a list of accounts is read in every line-ending and encoding of Windows and Unix programs",
        arguments: [
            ("LF", "printf 'a-1\\nb-2\\n'"), ("no end of the last line", "printf 'a-1\\nb-2'"),
            ("CR LF", "printf 'a-1\\r\\nb-2\\r\\n'"), ("CR", "printf 'a-1\\rb-2\\r'"),
            ("blanks and empty lines", "printf '\\n  a-1\\t\\n\\r\\n \\n\\tb-2  \\r\\n'"),
            ("a byte order mark", "printf '\\357\\273\\277a-1\\r\\nb-2\\r\\n'"),
            ("UTF-16 LE", "printf '\\377\\376'; printf 'a-1\\r\\nb-2\\r\\n' | iconv -f ASCII -t UTF-16LE"),
            ("UTF-16 BE", "printf '\\376\\377'; printf 'a-1\\r\\nb-2\\r\\n' | iconv -f ASCII -t UTF-16BE"),
            ("NDJSON", #"printf '{"account_id":"a-1","x":1}\r\n{"account_id":"b-2"}\r\n'"#),
        ])
    func lists(name: String, writer: String) async throws {
        let streams = FakeStreams(ids: [])
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let list = folder + "/My list"
                let made = await TestProcess.run("sh", ["-c", "{ \(writer); } > \"$0\"", list])
                #expect(made.status == 0, "\(made.errors)")
                let outcome = await export([
                    "--url", "http://127.0.0.1:\(server.port)", "--output", "-", "--accounts-from", list,
                ])
                #expect(outcome.status == 0, "\(name): \(outcome.errors)")
                let ids = outcome.output.matches(of: /"account_id":"([^"]+)"/).map { String($0.output.1) }
                #expect(ids == ["a-1", "b-2"], "\(name)")
                try write(#"{"callers":[]}"#, to: folder + "/callers.json")
                let added = await TestProcess.run(
                    Self.program,
                    [
                        "callers", "add", "--callers-file", folder + "/callers.json", "--name", "job", "--scopes",
                        "billing:read", "--accounts-from", list,
                    ])
                #expect(added.status == 0, "\(name): \(added.errors)")
                let text = try String(contentsOfFile: folder + "/callers.json", encoding: .utf8)
                #expect(text.contains("a-1") && text.contains("b-2"))
            }
        }
    }

    @Test("an invalid line in a list of accounts is reported by its number")
    func wrongLine() async throws {
        try await withTemporaryFolder { folder in
            for (text, line) in [
                ("a\r\n\r\nb c\r\n", 3), ("a\n{\"id\":\"b\"}\n", 2), ("a,b\n", 1), ("a\r\rü", 3),
                ("a\n\n" + String(repeating: "x", count: 65), 3),
            ] {
                try write(text, to: folder + "/list")
                let outcome = await export([
                    "--url", "http://127.0.0.1:1", "--output", "-", "--accounts-from", folder + "/list",
                ])
                #expect(outcome.status == 1, "\(outcome)")
                #expect(
                    outcome.errors.contains("--accounts-from: line \(line) contains no account id"), "\(outcome.errors)"
                )
            }
        }
    }

    @Test("lists of accounts and tokens may be pipes")
    func pipes() async throws {
        let streams = FakeStreams(ids: [])
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                try write(#"{"callers":[]}"#, to: folder + "/callers.json")
                let url = "http://127.0.0.1:\(server.port)"
                let callers =
                    "\(Self.program) callers add --callers-file '\(folder)/callers.json' --scopes billing:read"
                for script in [
                    "\(Self.program) export --url \(url) --output - --accounts-from <(echo a-1)",
                    "echo a-1 | \(Self.program) export --url \(url) --output - --accounts-from /dev/stdin",
                    "echo a-1 | \(Self.program) export --url \(url) --output - --accounts-from -",
                    "mkfifo '\(folder)/named pipe'; echo a-1 > '\(folder)/named pipe' & "
                        + "\(Self.program) export --url \(url) --output - --accounts-from '\(folder)/named pipe'",
                    "unset BILLING_TOKEN; \(Self.program) export --url \(url) --output - --token-file <(echo token) "
                        + "--accounts-from <(echo a-1)",
                    "unset BILLING_TOKEN; echo token | \(Self.program) export --url \(url) --output - --token-file - "
                        + "--accounts-from <(echo a-1)",
                    "\(callers) --name a --accounts-from <(echo a-1) && echo a-1",
                    "echo a-1 | \(callers) --name b --accounts-from /dev/stdin && echo a-1",
                ] {
                    let outcome = await TestProcess.run(
                        "bash", ["-c", script], environment: ["BILLING_TOKEN": "token"])
                    #expect(outcome.status == 0, "\(script): \(outcome.errors)")
                    #expect(outcome.output.contains("a-1"), "\(script): \(outcome)")
                }
            }
        }
    }

    @Test("sandbox faults and CA certificates may be pipes")
    func pipesOfSettings() async throws {
        let faults = await TestProcess.run(
            "bash",
            [
                "-c",
                "\(Self.program) export --sandbox --sandbox-accounts 3 --output - --sandbox-faults-file "
                    + #"<(echo '{"faults":[{"fault":"status","status":404,"operation":"billing"}]}')"#,
            ])
        #expect(faults.status == 3 && faults.output.contains(#""type":"failure""#), "\(faults)")
        try await TestCertificates.with { certificates in
            let streams = FakeStreams(ids: ["a"])
            try await withServer(streams, tls: .test(certificates.server)) { server in
                let trusted = await TestProcess.run(
                    "bash",
                    [
                        "-c",
                        "\(Self.program) export --url https://127.0.0.1:\(server.port) --output - --zoom-ca-file "
                            + "<(cat '\(certificates.ca)')",
                    ], environment: ["BILLING_TOKEN": "token"])
                #expect(trusted.status == 0, "\(trusted)")
            }
        }
    }

    // MARK: CSV

    /// Reads the city of a CSV file with Python and sqlite3, in hexadecimal.
    private func readCity(_ path: String) async throws -> (python: String, sqlite: String) {
        let python = await TestProcess.run(
            "python3",
            [
                "-c",
                """
                import csv, sys
                rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8-sig", newline="")))
                print(rows[0]["city"].encode().hex())
                """, path,
            ])
        #expect(python.status == 0, "\(python.errors)")
        let sqlite = await TestProcess.run(
            "sqlite3", [":memory:", ".mode csv", ".import '\(path)' billing", "select lower(hex(city)) from billing"])
        #expect(sqlite.status == 0, "\(sqlite.errors)")
        return (python.output, sqlite.output.filter { $0 != "\r" })
    }

    @Test("NUL becomes U+FFFD in CSV, where readers would truncate the value, and stays an escape in NDJSON")
    func nul() async throws {
        let streams = FakeStreams(ids: ["a"])
        streams.state.withLock { $0.city = #""K\u0000ln""# }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let url = "http://127.0.0.1:\(server.port)"
                let path = folder + "/out.csv"
                #expect(await export(["--url", url, "--output", path, "--format", "csv"]).status == 0)
                let hex = Data("K\u{FFFD}ln".utf8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\n"
                let city = try await readCity(path)
                #expect(city.python == hex && city.sqlite == hex)
                let lines = await export(["--url", url, "--output", "-"])
                #expect(lines.output.contains(#""K\u0000ln""#), "\(lines)")
            }
        }
    }

    @Test(
        "--spreadsheet adds a byte order mark and escapes formulas, and other CSV has the exact values",
        arguments: [
            ("=1+1", true), ("+41 44", true), ("-1", true), ("@SUM(A1)", true), ("\\tx", true), ("\\rx", true),
            ("\\nx", true), ("\u{FF1D}1", true), ("=HYPERLINK(\\\"x\\\",\\\"y\\\")", true), ("Köln", false),
            ("a=1", false), ("", false), ("'quoted", false), ("a\\\"b,c", false),
        ])
    func spreadsheet(city: String, isFormula: Bool) async throws {
        let streams = FakeStreams(ids: ["a"])
        streams.state.withLock { $0.city = "\"\(city)\"" }
        try await withServer(streams) { server in
            try await withTemporaryFolder { folder in
                let value = try #require((try JSONValue(parsing: Array("\"\(city)\"".utf8))).string)
                for (flags, expected) in [([], value), (["--spreadsheet"], (isFormula ? "'" : "") + value)] {
                    let path = folder + "/\(flags.count).csv"
                    let outcome = await export(
                        ["--url", "http://127.0.0.1:\(server.port)", "--output", path, "--format", "csv"] + flags)
                    #expect(outcome.status == 0, "\(outcome.errors)")
                    let bytes = try Data(contentsOf: URL(filePath: path))
                    #expect(bytes.starts(with: [0xEF, 0xBB, 0xBF]) == !flags.isEmpty)
                    let hex =
                        Data(expected.utf8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\n"
                    #expect(try await readCity(path).python == hex)
                }
            }
        }
    }

    // MARK: Settings

    @Test("zoom.ca-file from flag, environment or configuration file is used for --url")
    func caFile() async throws {
        try await TestCertificates.with { certificates in
            let streams = FakeStreams(ids: ["a"])
            try await withServer(streams, tls: .test(certificates.server)) { server in
                let path = certificates.folder + "/config.json"
                try write(#"{"zoom":{"ca-file":"\#(certificates.ca)"}}"#, to: path)
                let arguments = ["--url", "https://127.0.0.1:\(server.port)", "--output", "-"]
                for (flags, environment) in [
                    (["--zoom-ca-file", certificates.ca], [:]), ([], ["BILLING_ZOOM_CA_FILE": certificates.ca]),
                    (["--config", path], [:]),
                    // Loopback addresses are contacted without the proxy.
                    (["--config", path], ["HTTPS_PROXY": "http://127.0.0.1:1"]),
                ] as [([String], [String: String])] {
                    let outcome = await export(arguments + flags, environment: environment)
                    #expect(outcome.status == 0 && outcome.lines.count == 1, "\(outcome)")
                }
                let untrusted = await export(arguments)
                #expect(untrusted.status == 1 && untrusted.errors.contains("is not trusted"), "\(untrusted)")
                #expect(untrusted.errors.contains("into zoom.ca-file"), "\(untrusted)")
                let missing = await export(arguments, environment: ["BILLING_ZOOM_CA_FILE": "/nonexistent"])
                #expect(missing.status == 78 && missing.errors.contains("zoom.ca-file: "), "\(missing)")
            }
        }
    }

    @Test("--print-config prints the settings and exports nothing")
    func printsConfiguration() async throws {
        try await withTemporaryFolder { folder in
            for flags in [["--url", "https://127.0.0.1:1"], ["--sandbox"]] {
                let outcome = await export(
                    ["--output", folder + "/out", "--print-config", "--log-level", "error"] + flags)
                #expect(outcome.status == 0 && outcome.output.contains("log.level = error\n"), "\(outcome)")
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(files.isEmpty)
        }
    }

    // MARK: Connections

    @Test(
        "connection failures are reported with a remedy, and permanent ones are not retried")
    func connections() async throws {
        let refused = await export([
            "--url", "http://127.0.0.1:1", "--output", "-", "--retry-seconds", "0",
        ])
        #expect(refused.status == 1)
        #expect(
            refused.errors.contains("127.0.0.1:1 refused the connection: check the host and port in --url"),
            "\(refused.errors)")
        let unknown = await export([
            "--url", "https://host.invalid", "--output", "-", "--retry-seconds", "0",
        ])
        #expect(unknown.status == 1 && unknown.errors.contains("host.invalid:443: the host"), "\(unknown.errors)")
        let streams = FakeStreams(ids: ["a"])
        try await withServer(streams) { server in
            let clear = await export([
                "--url", "https://127.0.0.1:\(server.port)", "--output", "-", "--retry-seconds", "0",
            ])
            #expect(clear.status == 1 && clear.errors.contains("TLS"), "\(clear.errors)")
        }
        let script = """
            import socket
            listener = socket.create_server(("127.0.0.1", 0))
            print(listener.getsockname()[1], flush=True)
            while True:
                peer, _ = listener.accept()
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\\r\\ncontent-length: 0\\r\\n\\r\\n")
                peer.recv(4096)
                peer.close()
            """
        let proxy = TestProcess("python3", ["-c", script])
        let port = try await proxy.output(containing: "\n").split(separator: "\n")[0]
        for environment in [
            ["HTTPS_PROXY": "http://127.0.0.1:\(port)"],
            ["HTTPS_PROXY": "", "https_proxy": "http://127.0.0.1:\(port)"],
        ] {
            let outcome = await export(
                ["--url", "https://billing.invalid", "--output", "-"], environment: environment)
            #expect(outcome.status == 1 && outcome.errors.contains("(status 407)"), "\(outcome.errors)")
            #expect(outcome.errors.contains("into HTTPS_PROXY"), "\(outcome.errors)")
        }
        proxy.signal(SIGKILL)
        _ = await proxy.outcome()
    }

    // MARK: Progress

    @Test("progress stays within one terminal line, and a dumb terminal gets no escape sequences")
    func terminal() async throws {
        let ids = (1000..<1600).map { "account-\($0)" }
        let streams = FakeStreams(ids: ids) { number in
            number == 2
                ? .text(#"{"message":"\#(String(repeating: "Zoom is slow. ", count: 20))"}"#, status: 503) : nil
        }
        try await withServer(streams) { server in
            for (terminal, columns) in [("xterm", 60), ("xterm", 10), ("dumb", 60)] {
                let outcome = await TestTerminal.run(
                    Self.program, ["export", "--url", "http://127.0.0.1:\(server.port)", "--output", "-"],
                    columns: columns, terminal: terminal, redirection: .output, environment: ["BILLING_TOKEN": "token"])
                #expect(outcome.status == 0, "\(outcome)")
                #expect(outcome.output.contains("\u{1B}[K") == (terminal != "dumb"), "\(outcome.output)")
                guard terminal != "dumb" else { continue }
                let redrawn = outcome.output.components(separatedBy: "\r\u{1B}[K").dropFirst().dropLast()
                #expect(redrawn.contains { !$0.isEmpty })
                for line in redrawn { #expect(line.count < columns, "\(line)") }
            }
        }
    }
}
