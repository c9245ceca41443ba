import Adapters
import Foundation
import NIOCore
import Synchronization
import Testing

@Suite("Log", .timeLimit(.minutes(10)))
struct LogTests {
    private static func objects(_ log: String) -> [[String: Any]] {
        log.split(separator: "\n").compactMap { line in
            try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        }
    }

    @Test("every failed request and a sample of the others has an access line")
    func access() async throws {
        try await RunningService.with(["--log-access-sample", "0.000001"]) { service in
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            for _ in 0..<20 { _ = await service.curl(service.accountPath) }
            _ = await service.curl(
                "/v2/accounts/nobody/billing", "-H", "x-request-id: mine", "-H", "traceparent: \(trace)")
            let log = Self.objects(try await service.process.errors(containing: #""message":"request""#))
            let lines = log.filter { $0["message"] as? String == "request" }
            let line = try #require(lines.first)
            #expect(lines.count == 1)
            #expect(line["request_id"] as? String == "mine")
            #expect(line["trace_id"] as? String == "4bf92f3577b34da6a3ce929d0e0e4736")
            #expect(line["caller"] as? String == "sandbox" && line["method"] as? String == "GET")
            #expect(line["route"] as? String == "/v2/accounts/{accountId}/billing")
            #expect(line["status"] as? Int == 404 && line["upstream_calls"] as? Int == 1)
            #expect(line["cache"] as? String == "missed" && line["client"] as? String == "127.0.0.1")
            #expect((line["duration_ms"] as? Double).map { $0 > 0 } == true)
            #expect((line["bytes"] as? Int).map { $0 > 100 } == true)
        }
    }

    @Test("access lines above the rate limit are omitted and counted")
    func flood() async throws {
        try await RunningService.with { service in
            let flood = await TestProcess.run(
                "h2load", ["-n", "3000", "-c", "4", "-m", "10", service.base + "/v2/nothing"])
            #expect(flood.status == 0)
            let metrics = await TestProcess.run("curl", ["--silent", service.ops + "/metrics"]).output
            let leftOut = try #require(
                metrics.firstMatch(of: /billing_access_lines_left_out_total ([0-9]+)/).flatMap { Int($0.output.1) })
            let counted = try #require(
                metrics.firstMatch(of: /billing_log_lines_total{level="info"} ([0-9]+)/).flatMap { Int($0.output.1) })
            #expect(leftOut > 0 && leftOut + counted >= 3000, "\(leftOut) \(counted)")
        }
    }

    @Test("the log level can be changed at run time by the configuration file and by signals")
    func level() async throws {
        try await withTemporaryFolder { folder in
            let file = folder + "/settings.json"
            try write(#"{"log":{"level":"warning"}}"#, to: file)
            try await RunningService.with(["--config", file]) { service in
                func requests() -> Int { service.process.count(of: #""message":"request""#) }
                _ = await service.curl(service.accountPath)
                #expect(requests() == 0)
                try write(#"{"log":{"level":"debug"}}"#, to: file)
                try await service.process.errors(containing: #""level_":"debug""#)
                _ = await service.curl(service.accountPath)
                try await service.process.errors(containing: #""message":"request""#)
                // An invalid file changes nothing.
                try write(#"{"log":{"level":"loud"}}"#, to: file)
                try await service.process.errors(containing: "the configuration file cannot be used")
                try write(#"{"log":{"level":"error"}}"#, to: file)
                try await service.process.errors(containing: #""level_":"error""#)
                for _ in 0..<3 { service.process.signal(SIGUSR1) }
                try await service.process.errors(containing: #""by":"SIGUSR1""#)
                service.process.signal(SIGUSR2)
                try await service.process.errors(containing: #""by":"SIGUSR2","level_":"error""#)
                let before = requests()
                _ = await service.curl("/v2/accounts/nobody/billing")
                #expect(requests() == before)
            }
        }
    }

    /// Searches all output other than responses for everything that must stay secret.
    @Test("logs, metrics, probes and spans have no secrets and no personal data")
    func secrets() async throws {
        let spans = Mutex("")
        let collector = ScriptedHandler { request in
            .eventually {
                guard let body = try? await request.body.collect(bytesMax: 10_000_000) else {
                    return .text("", status: 400)
                }
                spans.withLock { $0 += String(buffer: body) }
                return .text("{}")
            }
        }
        var limits = Limits()
        limits.bodyBytesMax = 10_000_000
        try await withServer(collector, limits: limits) { server in
            try await Self.useEverything(collector: server.port) { written, hidden in
                let all = written + spans.withLock { $0 }
                #expect(spans.withLock { $0.contains("look up") })
                for secret in hidden { #expect(!all.contains(secret), "\(secret)") }
            }
        }
    }

    private static func useEverything(
        collector port: Int, _ check: (_ written: String, _ hidden: [String]) -> Void
    ) async throws {
        var written = ""
        var hidden = [
            "@example.com", "Example Street", "+1 555", "Oakland", "test-secret", "marked-secret", "sandbox.",
        ]
        let process = Mutex<TestProcess?>(nil)
        let flags = [
            "--log-level", "trace", "--trace-otlp-url", "http://127.0.0.1:\(port)/v1/traces", "--trace-sample", "1",
            "--refresh-interval", "0s",
        ]
        try await FiledService.with(flags) { service in
            process.withLock { $0 = service.process }
            let token = try await service.token(
                of: "app", "--scopes", "billing:read,billing:export", "--master", "main")
            hidden.append(token)
            let path = service.account(of: service.main)
            try await service.wait(for: 200, path, token: token)
            hidden += (0..<20).map { service.main.accounts.id(of: $0) }
            for number in 0..<20 {
                _ = try await service.send(service.account(of: service.main, number), token: token)
            }
            for target in ["/v2/accounts/nobody/billing", "/v2/\(token)", "/v2/billing/stream?after=\(token)"] {
                _ = try await service.send(target, token: token)
            }
            hidden.append("wrong-token")
            for authorization in ["Bearer wrong-token", "Basic \(token)", nil] {
                _ = try await service.send(path, authorization: authorization)
            }
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                for body in [[], ["--data-binary", "{\"account_id\":\"\(token)\"}\nmarked-secret\n"]] {
                    _ = await TestProcess.run(
                        "curl",
                        ["--silent", version, "-H", "authorization: Bearer \(token)", "-H", "cookie: marked-secret"]
                            + body + [service.base + "/v2/billing/stream"])
                }
            }
            // Invalid files, whose content must not be logged.
            try write("{\"masters\":[\"marked-secret\"]}", to: service.credentialsPath)
            try await service.process.errors(containing: "cannot reload the credentials")
            try write("{\"callers\":[{\"name\":\"marked-secret\",\"token\":\"\(token)\"}]}", to: service.callersPath)
            try await service.process.errors(containing: "cannot reload the callers")
            _ = try await service.send(path, token: token)
            let metrics = await TestProcess.run("curl", ["--silent", service.ops + "/metrics"])
            written += metrics.output
            written += await TestProcess.run("curl", ["--silent", service.ops + "/readyz?verbose"]).output
            let id = try #require(service.process.processID)
            written += await TestProcess.run("sh", ["-c", "ps -o args= -p \(id); cat /proc/\(id)/environ"]).output
        }
        let outcome = await process.withLock { $0 }?.outcome()
        written += (outcome?.errors ?? "") + (outcome?.output ?? "")
        check(written, hidden)
    }
}
