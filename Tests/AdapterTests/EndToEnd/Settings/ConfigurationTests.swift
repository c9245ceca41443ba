import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

@Suite("Configuration", .timeLimit(.minutes(10)))
struct ConfigurationTests {
    private func run(_ arguments: [String], environment: [String: String] = [:]) async -> TestProcess.Outcome {
        await TestProcess.run(TestProcess.billingService, arguments, environment: environment)
    }

    @Test(
        "an invalid value is reported in one line that names the setting, with exit code 78",
        arguments: [
            (["--sandbox", "--http-port", "eighty"], "http.port: \"eighty\" is not a whole number"),
            (["--sandbox", "--http-port", "65536"], "http.port: 65536 is out of range: 0 to 65535"),
            (["--sandbox", "--http-port=-1"], "http.port: -1 is out of range: 0 to 65535"),
            (
                ["--sandbox", "--sandbox-limits", "gold"],
                "sandbox.limits: \"gold\" is not one of none, free, pro, business"
            ),
            (["--sandbox", "--sandbox-seed=-1"], "sandbox.seed: -1 is out of range: 0 to 9223372036854775807"),
            (["--sandbox", "--zoom-rate-share", "2"], "zoom.rate-share: 2 is out of range: above 0, at most 1"),
            (["--sandbox", "--zoom-rate-share", "nan"], "zoom.rate-share: nan is out of range: above 0, at most 1"),
            (
                ["--sandbox", "--shutdown-grace", "20"],
                "shutdown.grace: \"20\" is not a duration such as 500ms, 10s, 2m or 1h"
            ),
            (["--sandbox", "--log-level", "loud"], "log.level: \"loud\" is not one of"),
            (
                ["--sandbox", "--state-url", "redis://127.0.0.1", "--state-file", "/tmp/state.db"],
                "state.url: cannot be combined with state.file: Redis replaces the file"
            ), (["--sandbox", "--state-user", "billing"], "state.user: needs state.url"),
            (
                ["--sandbox", "--state-url", "redis://billing@127.0.0.1:6380/2"],
                "state.password-file: is required with a user"
            ),
            (
                ["--sandbox", "--state-url", "redis://127.0.0.1", "--state-ca-file", "/tmp/ca.pem"],
                "state.ca-file: needs rediss:// in state.url"
            ), (["--sandbox", "--zoom-plan", "pro"], "zoom.plan: cannot be combined with sandbox"),
            (["--sandbox", "--callers-file", "/nonexistent"], "callers.file: /nonexistent: no such file"),
            (["--sandbox", "--http-limits-resets", "20"], "http.limits.resets: \"20\" is not a rate such as 200,20/s"),
            (["--sandbox", "--http-limits-resets=-1,2/s"], "http.limits.resets: \"-1,2/s\" is not a rate"),
            (
                ["--sandbox", "--http-limits-body-bytes", "1Q"],
                "http.limits.body-bytes: \"1Q\" is not a size such as 65536, 64KiB or 1MiB"
            ),
            (
                ["--sandbox", "--http-limits-body-bytes", "1"],
                "http.limits.body-bytes: 1 is out of range: 1KiB to 64MiB"
            ),
            (
                ["--sandbox", "--http-limits-buffers-total", "1000000MiB"],
                "http.limits.buffers-total: 1000000 MiB is more than three quarters of the available memory of "
            ),
            (
                ["--sandbox", "--http-limits-buffers-total", "64MiB", "--http-limits-streams", "10000"],
                "http.limits.buffers-total: one connection could use "
            ),
            (
                ["--sandbox", "--http-limits-buffers-total", "64MiB", "--http-limits-connections", "8192"],
                "http.limits.connections: at most 1310 is possible: each uses 50 KiB"
            ),
            (["--sandbox", "--config", "/nonexistent"], "config: /nonexistent: no such file"),
            (["--callers-file", "x"], "credentials.file: is required (or sandbox, to try the service)"),
        ])
    func wrong(flags: [String], line: String) async throws {
        let outcome = await run(["serve"] + flags)
        #expect(outcome.status == 78)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("billing-service: \(line)") }, "\(outcome.errors)")
    }

    @Test("a password in state.url is refused and not printed, as is another scheme")
    func redisURL() async throws {
        for (url, reason) in [
            ("redis://billing:hunter2@127.0.0.1", "put it into the file that state.password-file names"),
            ("redis://:hunter2@127.0.0.1/1", "put it into the file that state.password-file names"),
            ("http://127.0.0.1", "is not a URL such as redis://redis.example:6379/0"),
            ("redis://127.0.0.1:99999", "is not a URL such as redis://redis.example:6379/0"),
            ("redis://127.0.0.1/one", "has no number of a database after the host"),
            ("redis://127.0.0.1/primary/0", "has no number of a database after the host"),
            ("redis://127.0.0.1:6379,", "is not a URL such as redis://redis.example:6379/0"),
            ("redis+sentinel://127.0.0.1", "has no name of the primary after the sentinels"),
            ("redis+sentinel://127.0.0.1/primary/one", "has no number of a database after the host"),
        ] {
            let outcome = await run(["serve", "--sandbox", "--state-url", url])
            #expect(outcome.status == 78 && outcome.output.isEmpty)
            #expect(outcome.errors.contains("state.url: ") && outcome.errors.contains(reason), "\(outcome.errors)")
            #expect(!outcome.errors.contains("hunter2"), "\(outcome.errors)")
        }
    }

    @Test("a listener that cannot bind is reported by its setting, with exit code 78")
    func listeners() async throws {
        try await withServer(ScriptedHandler.echo) { server in
            let taken = "port \(server.port) of 127.0.0.1 is in use already"
            for (arguments, line) in [
                (["serve", "--sandbox", "--http-port", "\(server.port)", "--ops-port", "0"], "http.port: \(taken)"),
                (["serve", "--sandbox", "--http-port", "0", "--ops-port", "\(server.port)"], "ops.port: \(taken)"),
                (["sandbox", "--sandbox-port", "\(server.port)"], "sandbox.port: \(taken)"),
                (
                    ["serve", "--sandbox", "--ops-port", "0", "--ops-host", "no-such-host.invalid"],
                    "ops.host: no-such-host.invalid has no address that can be found"
                ),
                (
                    ["serve", "--sandbox", "--ops-port", "0", "--http-port", "0", "--http-host", "192.0.2.1"],
                    "http.host: 192.0.2.1 is no address of this machine"
                ),
            ] {
                let outcome = await run(arguments)
                #expect(outcome.status == 78 && outcome.output.isEmpty)
                #expect(outcome.errors == "billing-service: \(line)\n")
            }
        }
    }

    @Test("an unusable TLS file is reported by its setting, with exit code 78")
    func tlsFiles() async throws {
        try await TestCertificates.with { certificates in
            let (good, other) = (certificates.server, certificates.stranger)
            let encrypted = certificates.folder + "/encrypted.key"
            let serve = ["serve", "--sandbox", "--http-port", "0", "--ops-port", "0"]
            func tls(_ certificate: String, _ key: String, _ clientCA: String...) -> [String] {
                serve + ["--http-tls-certificate", certificate, "--http-tls-key", key]
                    + clientCA.flatMap { ["--http-tls-client-ca", $0] }
            }
            let real = [
                "serve", "--http-port", "0", "--ops-port", "0", "--credentials-file", "/nonexistent", "--zoom-plan",
                "pro",
            ]
            for (arguments, line) in [
                (tls("/nonexistent", good.key), "http.tls.certificate: /nonexistent cannot be used: No such file"),
                (tls(good.certificate, "/nonexistent"), "http.tls.key: /nonexistent cannot be used: No such file"),
                (tls(good.certificate, encrypted), "http.tls.key: \(encrypted) cannot be used: the key is encrypted"),
                (
                    tls(good.certificate, other.key),
                    "http.tls.key: \(other.key) is not the key of the certificate in \(good.certificate)"
                ),
                (
                    tls(good.certificate, good.key, good.key),
                    "http.tls.client-ca: \(good.key) cannot be used: it contains no certificate in PEM format"
                ),
                (
                    ["sandbox", "--sandbox-tls-certificate", good.certificate, "--sandbox-tls-key", encrypted],
                    "sandbox.tls.key: \(encrypted) cannot be used: the key is encrypted"
                ),
                (real + ["--zoom-ca-file", "/nonexistent"], "zoom.ca-file: /nonexistent cannot be used: No such file"),
            ] {
                let outcome = await run(arguments)
                #expect(outcome.status == 78 && outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("billing-service: \(line)"), "\(outcome.errors)")
            }
        }
    }

    @Test("a connection limit above the available memory or file descriptors is lowered with a warning")
    func lowered() async throws {
        try await RunningService.with(["--http-limits-buffers-total", "64MiB"]) { service in
            try await service.process.errors(
                containing: "http.limits.connections is lowered to 1310: each uses 50 KiB")
        }
        let printed = await TestProcess.run(
            "sh", ["-c", "ulimit -n 300 && exec \"$0\" serve --sandbox --print-config", TestProcess.billingService])
        #expect(printed.lines.contains("http.limits.connections = 44"), "\(printed.errors)")
    }

    @Test("all invalid values are reported in one run")
    func allAtOnce() async throws {
        let outcome = await run(["serve", "--sandbox", "--http-port", "x", "--zoom-wait", "y", "--export-window", "0"])
        #expect(outcome.status == 78)
        #expect(outcome.errors.split(separator: "\n").count == 3)
    }

    @Test(
        "a Zoom address without TLS on another host is refused",
        arguments: [
            (
                "http://zoom.example/v2",
                "\"http://zoom.example/v2\" would send credentials to another machine in clear text"
            ),
            ("https://api.zoom.us:99999/v2", "\"https://api.zoom.us:99999/v2\" has no port from 1 to 65535"),
            ("ftp://127.0.0.1/", "\"ftp://127.0.0.1/\" is not a URL"), ("zoom", "\"zoom\" is not a URL"),
        ])
    func clearText(url: String, reason: String) async {
        let outcome = await run([
            "serve", "--credentials-file", "a", "--callers-file", "b", "--zoom-api-url", url,
        ])
        #expect(outcome.status == 78)
        #expect(outcome.errors.contains("zoom.api-url: " + reason), "\(outcome.errors)")
    }

    @Test("flags take precedence over the environment, the environment over the file, the file over defaults")
    func order() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            try write(
                #"{"http":{"port":1,"host":"::1"},"export":{"window":7},"zoom":{"rate-share":0.5}}"#, to: path)
            let outcome = await run(
                ["serve", "--sandbox", "--config", path, "--print-config", "--http-port", "3"],
                environment: [
                    "BILLING_HTTP_PORT": "2", "BILLING_EXPORT_WINDOW": "8", "BILLING_SERVICE_HOST": "ignored",
                ])
            #expect(outcome.status == 0)
            for line in [
                "http.port = 3", "export.window = 8", "http.host = ::1", "zoom.rate-share = 0.5",
                "shutdown.grace = 20s",
            ] {
                #expect(outcome.lines.contains(line), "\(outcome.output)")
            }
        }
    }

    @Test("a configuration file must be JSON with known settings")
    func file() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            for (text, reason) in [
                (#"{"http":{"prot":1}}"#, "http.prot: unknown setting"), ("{", "is not JSON"),
                ("[]", "is not a JSON object"),
                (#"{"http":{"port":"x"}}"#, #"http.port: "x" is not a whole number"#),
            ] {
                try write(text, to: path)
                let outcome = await run(["serve", "--sandbox", "--config", path])
                #expect(outcome.status == 78)
                #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            }
        }
    }

    @Test("every mistake in a configuration file is reported in one run, with its value and the expected type")
    func mistakesInFile() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            try write(
                #"""
                {"http": {"port": "8080", "host": 5, "timeouts": {"idle": 3, "idle": "1s"}, "p\u006frt": 1},
                 "nope": {"a": null}, "log": null, "ops": {"port": {"a": 1}}, "ops.host": "x",
                 "trace": {"otlp-url": "http://u:hunter2@h/?q=hunter2", "sample": true},
                 "allow-shared-file": "true", "zoom": {"api-url": ["a"], "timeout": null},
                 "cache": {"max-bytes": 1.5}, "export": {"window": 1e3}}
                """#, to: path)
            let outcome = await run(["serve", "--sandbox", "--config", path])
            #expect(outcome.status == 78)
            let lines = outcome.errors.split(separator: "\n").map(String.init)
            let expected = [
                #"http.port: "8080" is not a whole number"#, "http.host: 5 is not a string",
                "http.timeouts.idle: 3 is not a string", "http.timeouts.idle: is given twice",
                "http.port: is given twice", "nope: unknown setting", "log: null is not an object with settings",
                "ops.port: an object is not a whole number",
                #"ops.host: write nested objects instead of dots: {"http": {"port": 8080}}"#,
                "trace.sample: true is not a number", #"allow-shared-file: "true" is not true or false"#,
                "zoom.api-url: an array is not a string", "zoom.timeout: null is not a string",
                #"cache.max-bytes: 1.5 is not a size such as 65536 or "64KiB""#,
                "export.window: 1e3 is not a whole number",
            ]
            #expect(lines.sorted() == expected.map { "billing-service: \($0) (in \(path))" }.sorted())
            // A repeated section is one mistake, in every command.
            try write(#"{"http": {"port": 1}, "http": {"port": 2}}"#, to: path)
            for command in [["serve", "--sandbox"], ["health"], ["callers", "list"], ["credentials", "list"]] {
                let outcome = await run(command + ["--config", path])
                #expect(outcome.status == 78)
                #expect(outcome.errors == "billing-service: http: is given twice (in \(path))\n")
            }
            // The types in docs/settings.md are accepted.
            try write(
                #"{"http": {"port": 0, "limits": {"body-bytes": 65536, "path-bytes": "4KiB"}}, "trace": {"sample": 1}}"#,
                to: path)
            #expect(await run(["serve", "--sandbox", "--config", path, "--print-config"]).status == 0)
        }
    }

    @Test(
        "an error about an address never shows its password or query",
        arguments: [
            "https://user:hunter2@api.zoom.us/v2", "user:hunter2@host", "https://user:hunter2", "https://hunter2@host",
            "https://u:hun/ter2hunter2@host", "https://host/v2?token=hunter2", "ftp://u:hunter2@host/#hunter2",
            "https://host/v2#hunter2", "https://u:hunter2@host:99999/",
        ])
    func secretsInAddresses(url: String) async throws {
        try await withTemporaryFolder { folder in
            let flags = ["--zoom-api-url", "--zoom-oauth-url", "--trace-otlp-url"]
            for flag in flags {
                let outcome = await run(["serve", "--credentials-file", "x", flag, url])
                #expect(outcome.status == 78 && outcome.errors.contains("****"), "\(outcome.errors)")
                #expect(!(outcome.errors + outcome.output).contains("hunter2"))
            }
            let path = folder + "/config.json"
            try write(#"{"zoom": {"api-url": "\#(url)"}, "http": {"host": "x", "port": 1}}"#, to: path)
            let inFile = await run(["credentials", "verify", "--credentials-file", "x", "--config", path])
            #expect(inFile.status == 78 && !inFile.errors.contains("hunter2"), "\(inFile.errors)")
            let argument = await run(["serve", url])
            #expect(argument.status == 64 && !argument.errors.contains("hunter2"), "\(argument.errors)")
        }
    }

    @Test("without callers the service listens only on loopback addresses, with a warning")
    func noCallers() async throws {
        try await withTemporaryFolder { folder in
            let credentials = CredentialsDocument(masters: [.init(.test())])
            try write(String(decoding: credentials.text, as: UTF8.self), to: folder + "/credentials.json")
            try write(#"{"callers":[]}"#, to: folder + "/callers.json")
            let arguments = [
                "serve", "--credentials-file", folder + "/credentials.json", "--http-port", "0", "--ops-port",
            ]
            for host in ["0.0.0.0", "::", "192.0.2.1", "example.com"] {
                for more in [[], ["--callers-file", folder + "/callers.json"]] {
                    let outcome = await run(arguments + ["0", "--http-host", host] + more)
                    #expect(outcome.status == 78)
                    #expect(
                        outcome.errors.contains(
                            "http.host: \(host) is not loopback, and there are no callers: add one to callers.file "
                                + "(billing-service callers add)"), "\(outcome.errors)")
                }
            }
            for host in ["127.0.0.1", "localhost"] {
                let service = TestProcess(
                    TestProcess.billingService, arguments + ["0", "--http-host", host, "--shutdown-delay", "0s"])
                _ = try await service.output(containing: "Operations on ")
                try await service.errors(containing: "there are no callers: every request will be answered 401")
                service.signal(SIGTERM)
                let outcome = await service.outcome()
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
        }
    }

    @Test("a caller with an unknown master account and an invalid master account are reported")
    func files() async throws {
        try await withTemporaryFolder { folder in
            func serve(_ masters: [CredentialsDocument.Master], _ master: Name?) async throws -> String {
                try PrivateFile(path: folder + "/credentials.json").update { _ in
                    CredentialsDocument(masters: masters).text
                }
                var callers = CallersDocument()
                let caller = Caller(name: Name(literal: "job"), scopes: [], master: master)
                try callers.set(.init(caller, credential: .token(SHA256Digest(of: "a"), previous: nil)))
                try PrivateFile(path: folder + "/callers.json").update { _ in callers.text }
                let outcome = await run([
                    "serve", "--credentials-file", folder + "/credentials.json", "--callers-file",
                    folder + "/callers.json", "--http-port", "0", "--ops-port", "0",
                ])
                #expect(outcome.status == 78)
                return outcome.errors
            }
            let two = [CredentialsDocument.Master(.test()), .init(.test(name: "second"))]
            let path = folder + "/credentials.json"
            for (masters, master, line) in [
                (two, nil, "callers.file: the \"master\" of job must be one of main, second"),
                (two, Name("third"), "callers.file: the \"master\" of job must be one of main, second"),
                ([], nil, "credentials.file: \(path): contains no master account"),
                (
                    [.init(.test(), plan: "gold")], nil,
                    "\(path): the \"plan\" of main is not one of free, pro, business"
                ),
                (
                    [.init(.test(), apiHost: "a:b")], nil,
                    "\(path): the \"api_host\" of main: \"https://a:****/v2\" is not a URL"
                ),
            ] as [([CredentialsDocument.Master], Name?, String)] {
                let errors = try await serve(masters, master)
                #expect(errors.contains(line), "\(errors)")
            }
        }
    }

    @Test("every command has --help, and wrong usage exits with 64")
    func usage() async throws {
        for arguments in [
            ["--help"], ["serve", "--help"], ["sandbox", "--help"], ["help", "serve"], ["credentials", "--help"],
            ["credentials", "verify", "--help"], ["callers", "add", "--help"], ["health", "--help"],
        ] {
            let outcome = await run(arguments)
            #expect(outcome.status == 0 && outcome.output.contains("USAGE: billing-service"))
        }
        #expect(await run(["serve", "--help"]).output.contains("--zoom-rate-share <share>"))
        for arguments in [["serve", "--prot", "1"], ["swerve"], ["serve", "extra"]] {
            #expect(await run(arguments).status == 64)
        }
    }
}
