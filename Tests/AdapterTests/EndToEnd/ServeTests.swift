import Adapters
import Foundation
import Testing

@Suite("billing-service serve", .timeLimit(.minutes(10)))
struct ServeTests {
    @Test("the printed curl commands work: a contact, a self-pay account and the stream")
    func pasted() async throws {
        try await RunningService.with { service in
            #expect(service.curls.count == 3)
            var answers: [TestProcess.Outcome] = []
            for line in service.curls { answers.append(await TestProcess.run("sh", ["-c", line + " --silent"])) }
            #expect(answers.allSatisfy { $0.status == 0 })
            let fields = [
                "address", "city", "country", "email", "first_name", "last_name", "phone_number", "state", "zip",
            ]
            for field in fields { #expect(answers[0].output.contains("\"\(field)\":")) }
            #expect(answers[1].output.contains(#""code":2100,"message":"This sub account is on self pay mode.""#))
            let lines = answers[2].lines
            #expect(lines.count == 1002)
            #expect(lines.first?.hasPrefix(#"{"type":"begin","accounts":1000,"after":null,"as_of":""#) == true)
            #expect(
                lines.last?.hasPrefix(
                    #"{"type":"end","complete":true,"contacts":990,"failures":10,"by_code":{"2100":10},"elapsed_ms":"#)
                    == true)
        }
    }

    @Test("after= resumes a stream without missing or repeated accounts")
    func resume() async throws {
        try await RunningService.with { service in
            let whole = await service.curl("/v2/billing/stream?only=records").lines
            let ids = try whole.map { try Self.accountID(of: $0) }
            #expect(ids.count == 1000 && ids == ids.sorted())
            for position in [0, 499, 998, 999] {
                let rest = await service.curl("/v2/billing/stream?only=records&after=\(ids[position])").lines
                #expect(try rest.map { try Self.accountID(of: $0) } == Array(ids[(position + 1)...]))
            }
        }
    }

    private static func accountID(of line: String) throws -> String {
        String(try #require(line.firstMatch(of: /"account_id":"([^"]+)"/)).output.1)
    }

    @Test("the stream is complete with the sandbox's rate limits", .tags(.slow))
    func limits() async throws {
        try await RunningService.with(["--sandbox-limits", "business", "--sandbox-accounts", "100"]) { service in
            let lines = await service.curl("/v2/billing/stream").lines
            #expect(lines.last?.contains(#""contacts":99,"failures":1,"by_code":{"2100":1}"#) == true)
        }
    }

    @Test("a lookup whose queueing time would exceed the request timeout gets 429, not 504")
    func waitWithinRequestTimeout() async throws {
        // One permit in 50 s; http.timeouts.request leaves 10 s for queueing.
        let flags = [
            "--sandbox-limits", "free", "--zoom-rate-share", "0.01", "--http-timeouts-request", "20s", "--zoom-wait",
            "60s",
        ]
        try await RunningService.with(flags) { service in
            _ = try await service.process.errors(containing: "zoom.wait exceeds the time that http.timeouts.request")
            #expect(await service.curl(service.accountPath).status == 0)
            for wait in ["", "prefer: wait=30", "prefer: wait=300"] {
                let answer = await service.curl("/v2/accounts/nobody/billing", "-i", "-H", wait)
                #expect(answer.output.hasPrefix("HTTP/2 429"), "\(answer.output)")
                #expect(answer.output.contains(/retry-after: [1-5][0-9]\r\n/), "\(answer.output)")
            }
        }
    }

    @Test("nghttp and h2load get responses in clear text")
    func peers() async throws {
        try await RunningService.with { service in
            let nghttp = await TestProcess.run(
                "nghttp",
                ["-v", "-H", "authorization: Bearer \(service.token)", service.base + "/v2/accounts/nobody/billing"])
            #expect(nghttp.output.contains(":status: 404"))
            let h2load = await TestProcess.run(
                "h2load",
                [
                    "-n", "5000", "-c", "8", "-m", "32", "-H", "authorization: Bearer \(service.token)",
                    service.base + "/v2/accounts/no%20id/billing",
                ])
            #expect(h2load.output.contains("5000 done, 0 succeeded, 5000 failed, 0 errored, 0 timeout"))
            #expect(h2load.output.contains("0 2xx, 0 3xx, 5000 4xx, 0 5xx"))
        }
    }

    @Test(
        "a signal ends the service with status 0 after the requests in flight have ended", arguments: [SIGTERM, SIGINT])
    func stops(signal: Int32) async throws {
        // With a plan's rate limit the stream takes some seconds, so it is in flight when the signal arrives.
        try await RunningService.with(["--sandbox-limits", "business", "--sandbox-accounts", "150"]) { service in
            let stream = service.reader()
            _ = try await stream.output(containing: "\"type\":\"contact\"")
            service.process.signal(signal)
            let outcome = await stream.outcome()
            #expect(outcome.status == 0)
            #expect(outcome.lines.last?.contains(#""type":"end","complete":true"#) == true)
            #expect(await service.process.outcome().status == 0)
            let refused = await service.curl("/v2/accounts/a/billing")
            #expect(refused.status == 7)
        }
    }

    @Test("a stream that exceeds the shutdown grace ends with an error line and a reset")
    func cutOff() async throws {
        try await RunningService.with(["--sandbox-limits", "pro", "--shutdown-grace", "100ms"]) { service in
            let authorization = "authorization: Bearer \(service.token)"
            let curl = service.reader()
            let nghttp = TestProcess("nghttp", ["-v", "-H", authorization, service.base + "/v2/billing/stream"])
            for reader in [curl, nghttp] { _ = try await reader.output(containing: "\"type\":\"contact\"") }
            service.process.signal(SIGTERM)
            // curl shows the reset by its status; it drops a last line that arrives together with the reset.
            let cut = await curl.outcome()
            #expect(cut.status != 0)
            let seen = await nghttp.outcome().output
            #expect(seen.contains(#"{"type":"error","status":503,"code":503,"#))
            #expect(seen.contains("error_code=INTERNAL_ERROR(0x02)"))
            for output in [cut.output, seen] { #expect(!output.contains("\"end\"")) }
            #expect(await service.process.outcome().status == 0)
        }
    }

    @Test("serve --sandbox writes no credentials file, needs no temporary folder and logs no secret")
    func secrets() async throws {
        try await withTemporaryFolder { folder in
            let process = TestProcess(
                TestProcess.billingService,
                ["serve", "--sandbox", "--http-port", "0", "--ops-port", "0", "--log-level", "trace"],
                environment: ["TMPDIR": folder])
            let output = try await process.output(containing: "/v2/billing/stream\n")
            let base = String(try #require(output.firstMatch(of: /http:\/\/[0-9.]+:[0-9]+/)).output)
            let token = String(try #require(output.firstMatch(of: /Bearer ([^']+)'/)).output.1)
            #expect(try FileManager.default.subpathsOfDirectory(atPath: folder).isEmpty)
            try FileManager.default.removeItem(atPath: folder)
            _ = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer \(token)",
                    base + "/v2/billing/stream",
                ])
            process.signal(SIGTERM)
            let outcome = await process.outcome()
            #expect(outcome.status == 0)
            for hidden in [token, "@example.com", "sandbox."] { #expect(!outcome.errors.contains(hidden)) }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        }
    }

    @Test("secrets of a credentials file are not logged")
    func secretOfFile() async throws {
        try await FiledService.with(["--log-level", "trace"]) { service in
            let token = try await service.token(of: "app", "--scopes", "billing:read", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            for hidden in [TestZoom.app.clientSecret, token] { #expect(service.process.count(of: hidden) == 0) }
        }
    }

    @Test("the service runs as an unprivileged user without capabilities")
    func unprivileged() async throws {
        // A folder that other users can read, so that the unprivileged user can run the program.
        let folder = await TestProcess.run("mktemp", ["--directory"]).lines[0]
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let program = folder + "/billing-service"
        let copied = await TestProcess.run(
            "sh", ["-c", "chmod 755 \(folder); cp \(TestProcess.billingService) \(program); id -u"])
        let dropping =
            copied.output == "0\n"
            ? ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"] : []
        let service = TestProcess(
            "setpriv",
            dropping + ["--no-new-privs", program, "serve", "--sandbox", "--http-port", "0", "--ops-port", "0"])
        let output = try await service.output(containing: "/v2/billing/stream\n")
        for line in output.split(separator: "\n") where line.hasPrefix("curl ") {
            let answer = await TestProcess.run("sh", ["-c", "\(line) --silent --show-error"])
            #expect(answer.status == 0 && !answer.output.isEmpty, "\(answer.errors)")
        }
        service.signal(SIGTERM)
        #expect(await service.outcome().status == 0)
    }

    @Test("the service works with a separate sandbox, a credentials file and a callers file")
    func elsewhere() async throws {
        try await withTemporaryFolder { folder in
            let credentials = folder + "/credentials.json"
            let zoom = TestProcess(
                TestProcess.billingService,
                [
                    "sandbox", "--sandbox-port", "0", "--sandbox-credentials-file", credentials, "--sandbox-accounts",
                    "10",
                ])
            let listening = try await zoom.output(containing: "Listening on ")
            let zoomBase = String(try #require(listening.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let digest = await tokenDigest("my-token")
            try write(
                #"{"callers":[{"name":"job","token_sha256":"\#(digest)","scopes":["billing:export"]}]}"#,
                to: folder + "/callers.json")
            try write(
                #"{"http":{"port":0},"ops":{"port":0},"shutdown":{"delay":"0s"},"zoom":{"plan":"business"},"callers":{"file":"\#(folder)/callers.json"}}"#,
                to: folder + "/config.json")
            let service = TestProcess(
                TestProcess.billingService,
                [
                    "serve", "--config", folder + "/config.json", "--credentials-file", credentials, "--zoom-oauth-url",
                    zoomBase + "/oauth/token",
                ], environment: ["BILLING_ZOOM_API_URL": zoomBase + "/v2"])
            let output = try await service.output(containing: "Listening on ")
            let base = String(try #require(output.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
            let stream = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer my-token",
                    base + "/v2/billing/stream",
                ])
            #expect(stream.lines.last?.contains(#""contacts":10,"failures":0"#) == true)
            let single = await TestProcess.run(
                "curl",
                [
                    "--silent", "--http2-prior-knowledge", "-H", "authorization: Bearer my-token",
                    base + "/v2/accounts/a/billing",
                ])
            #expect(single.output.contains(#""code":4711"#))
            for process in [service, zoom] {
                process.signal(SIGTERM)
                #expect(await process.outcome().status == 0)
            }
        }
    }

    @Test("a port in use is reported with its setting, and the exit code is 78")
    func portTaken() async throws {
        try await RunningService.with { service in
            let port = String(try #require(service.base.split(separator: ":").last))
            let second = await TestProcess.run(
                TestProcess.billingService, ["serve", "--sandbox", "--http-port", port, "--ops-port", "0"])
            #expect(second.status == 78)
            #expect(second.errors.contains("http.port: port \(port) of 127.0.0.1 is in use already"))
        }
    }
}

extension Tag {
    @Tag static var slow: Self
}
