import Foundation
import Testing

@Suite("The configuration", .fewAtATime, .timeLimit(.minutes(5)))
struct ConfigurationTests {
    private func run(_ arguments: [String], environment: [String: String] = [:]) async -> TestProcess.Outcome {
        await TestProcess.run(TestProcess.billingService, arguments, environment: environment)
    }

    @Test(
        "that is wrong is one line naming the setting, and exit code 78",
        arguments: [
            (["--sandbox", "--http-port", "eighty"], "http.port: not a whole number"),
            (["--sandbox", "--http-port", "65536"], "http.port: 65536 is not between 0 and 65535"),
            (["--sandbox", "--http-port=-1"], "http.port: -1 is not between 0 and 65535"),
            (
                ["--sandbox", "--sandbox-limits", "gold"],
                "sandbox.limits: \"gold\" is none of none, free, pro, business"
            ),
            (["--sandbox", "--sandbox-seed=-1"], "sandbox.seed: -1 is not between 0 and 9223372036854775807"),
            (["--sandbox", "--zoom-rate-share", "2"], "zoom.rate-share: 2.0 is not above 0 and at most 1"),
            (["--sandbox", "--zoom-rate-share", "nan"], "zoom.rate-share: nan is not above 0 and at most 1"),
            (
                ["--sandbox", "--shutdown-grace", "20"],
                "shutdown.grace: \"20\" is not a time such as 500ms, 10s, 2m or 1h"
            ),
            (["--sandbox", "--log-level", "loud"], "log.level: \"loud\" is none of"),
            (["--sandbox", "--zoom-plan", "pro"], "zoom.plan: has no meaning together with sandbox"),
            (["--sandbox", "--callers-file", "/nonexistent"], "callers.file: /nonexistent: no such file"),
            (["--sandbox", "--http-limits-resets", "20"], "http.limits.resets: \"20\" is not a rate such as 200,20/s"),
            (["--sandbox", "--http-limits-resets=-1,2/s"], "http.limits.resets: \"-1,2/s\" is not a rate"),
            (
                ["--sandbox", "--http-limits-body-bytes", "1Q"],
                "http.limits.body-bytes: \"1Q\" is not a size such as 65536, 64KiB or 1MiB"
            ),
            (["--sandbox", "--http-limits-body-bytes", "1"], "http.limits.body-bytes: 1 is out of range"),
            (
                ["--sandbox", "--http-limits-buffers-total", "1000000MiB"],
                "http.limits.buffers-total: 1000000 MiB is more than three quarters of the memory at hand"
            ),
            (
                ["--sandbox", "--http-limits-buffers-total", "64MiB", "--http-limits-streams", "10000"],
                "http.limits.buffers-total: one connection could take "
            ),
            (
                ["--sandbox", "--http-limits-buffers-total", "64MiB", "--http-limits-connections", "8192"],
                "http.limits.connections: more than 1310 is not possible: each holds 50 KiB"
            ),
            (["--sandbox", "--config", "/nonexistent"], "config: /nonexistent cannot be read"),
            (["--callers-file", "x"], "credentials.file: is needed (or sandbox, to try things out)"),
        ])
    func wrong(flags: [String], line: String) async throws {
        let outcome = await run(["serve"] + flags)
        #expect(outcome.status == 78)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("billing-service: \(line)") }, "\(outcome.errors)")
    }

    @Test("whose limits are more than there is memory or files for is lowered, and says so")
    func lowered() async throws {
        try await RunningService.with(["--http-limits-buffers-total", "64MiB"]) { service in
            try await service.process.errors(
                containing: "http.limits.connections is lowered to 1310: each holds 50 KiB")
        }
        let printed = await TestProcess.run(
            "sh", ["-c", "ulimit -n 300 && exec \"$0\" serve --sandbox --print-config", TestProcess.billingService])
        #expect(printed.lines.contains("http.limits.connections = 44"), "\(printed.errors)")
    }

    @Test("is told of everything that is wrong with it at once")
    func allAtOnce() async throws {
        let outcome = await run(["serve", "--sandbox", "--http-port", "x", "--zoom-wait", "y", "--export-window", "0"])
        #expect(outcome.status == 78)
        #expect(outcome.errors.split(separator: "\n").count == 3)
    }

    @Test(
        "never lets credentials leave this machine in clear text",
        arguments: [
            ("http://zoom.example/v2", "\"http://zoom.example/v2\" would send credentials in clear text"),
            ("https://api.zoom.us:99999/v2", "\"https://api.zoom.us:99999/v2\" has no port that is one"),
            ("ftp://127.0.0.1/", "\"ftp://127.0.0.1/\" is not an address"), ("zoom", "\"zoom\" is not an address"),
        ])
    func clearText(url: String, reason: String) async {
        let outcome = await run([
            "serve", "--credentials-file", "a", "--callers-file", "b", "--zoom-api-url", url,
        ])
        #expect(outcome.status == 78)
        #expect(outcome.errors.contains("zoom.api-url: " + reason), "\(outcome.errors)")
    }

    @Test("comes from flags before the environment before the file before the defaults")
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

    @Test("in a file must be JSON, and of settings that exist")
    func file() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/config.json"
            for (text, reason) in [
                (#"{"http":{"prot":1}}"#, "http.prot: no such setting"), ("{", "is not JSON"),
                ("[]", "is not a JSON object"),
                (#"{"http":{"port":"x"}}"#, "http.port: not a whole number"),
            ] {
                try write(text, to: path)
                let outcome = await run(["serve", "--sandbox", "--config", path])
                #expect(outcome.status == 78)
                #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            }
        }
    }

    @Test("has help for every command, and wrong usage ends with 64")
    func usage() async throws {
        for arguments in [["--help"], ["serve", "--help"], ["sandbox", "--help"], ["help", "serve"]] {
            let outcome = await run(arguments)
            #expect(outcome.status == 0 && outcome.output.contains("USAGE: billing-service"))
        }
        #expect(await run(["serve", "--help"]).output.contains("--zoom-rate-share <share>"))
        for arguments in [["serve", "--prot", "1"], ["swerve"], ["serve", "extra"]] {
            #expect(await run(arguments).status == 64)
        }
    }
}
