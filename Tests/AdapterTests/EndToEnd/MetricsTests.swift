import Adapters
import Foundation
import Testing

@Suite("Metrics of the service", .timeLimit(.minutes(10)))
struct MetricsTests {
    private static func scrape(_ ops: String) async -> String {
        await TestProcess.run("curl", ["--silent", "--show-error", ops + "/metrics"]).output
    }

    /// The value of the first series with this prefix.
    private static func value(_ series: String, in text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series) }?.split(separator: " ").last.flatMap { Double($0) }
    }

    /// Sends requests of every kind.
    private static func use(_ service: RunningService) async throws {
        for _ in 0..<3 { _ = await service.curl(service.accountPath) }
        _ = await service.curl("/v2/accounts/unheard-of/billing")
        _ = await service.curl("/v2/accounts/no%20body/billing")
        _ = await service.curl("/v2/nothing")
        _ = await TestProcess.run("curl", ["--silent", "--http1.1", service.base + service.accountPath])
        let stream = await service.curl("/v2/billing/stream")
        #expect(stream.lines.last?.contains("\"end\"") == true)
    }

    @Test("requests are counted by route and status, without account ids")
    func requests() async throws {
        try await RunningService.with(["--sandbox-limits", "business", "--sandbox-accounts", "100"]) { service in
            try await Self.use(service)
            let text = await Self.scrape(service.ops)
            func requests(_ status: Int, _ route: String, _ version: String = "2") -> Double? {
                Self.value(
                    "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"\(route)\","
                        + "http_response_status_code=\"\(status)\",network_protocol_version=\"\(version)\"}", in: text)
            }
            let billing = "/v2/accounts/{accountId}/billing"
            #expect(requests(200, billing) == 3 && requests(404, billing) == 1 && requests(400, billing) == 1)
            #expect(requests(404, "none") == 1 && requests(401, billing, "1.1") == 1)
            #expect(requests(200, "/v2/billing/stream") == 1)
            func lines(_ type: String) -> Double {
                Self.value("billing_stream_lines_total{type=\"\(type)\"}", in: text) ?? 0
            }
            #expect(lines("contact") + lines("failure") == 100 && lines("failure") > 0)
            #expect(Self.value("billing_streams_total{outcome=\"complete\"}", in: text) == 1)
            #expect(Self.value("billing_cache_lookups_total{result=\"fresh\"}", in: text) == 3)
            #expect(Self.value("billing_cache_entries ", in: text) == 101)
            let master = "{master=\"sandbox\",label=\"Medium\""
            #expect(Self.value("zoom_budget_limit_per_second\(master)}", in: text) == 48)
            let sent = try #require(Self.value("zoom_budget_sent_total\(master)}", in: text))
            #expect(
                sent
                    == Self.value("zoom_budget_wait_seconds_count\(master),priority=\"bulk\"}", in: text).map { $0 + 2 }
            )
            let outcomes = ["ok", "self-pay", "no-account"].map { outcome in
                Self.value(
                    "zoom_calls_total{master=\"sandbox\",operation=\"Get billing information\",outcome=\"\(outcome)\"}",
                    in: text) ?? 0
            }
            #expect(outcomes.reduce(0, +) == 101 && outcomes[2] == 1)
            #expect(Self.value("zoom_token_renewals_total{master=\"sandbox\",outcome=\"obtained\"}", in: text) == 1)
            #expect(Self.value("zoom_token_left_seconds{master=\"sandbox\"}", in: text).map { $0 > 3000 } == true)
            let opened = "http_server_connections_opened_total{network_protocol_version=\""
            #expect(Self.value(opened + "1.1\",tls=\"false\"}", in: text) == 1)
            #expect(Self.value(opened + "2\",tls=\"false\"}", in: text) == 7)
            #expect(Self.value("process_open_fds ", in: text).map { $0 > 10 } == true)
            #expect(text.contains("billing_build_info{version=\"\(BuildInfo.version)\""))
            for hidden in [service.token, "@example.com", "unheard-of"] + [service.accountPath] {
                #expect(!text.contains(hidden))
            }
        }
    }

    @Test("every read has its route as a metric label and in the access log")
    func routes() async throws {
        try await RunningService.with(["--log-access-sample", "1"]) { service in
            let account = String(service.accountPath.dropLast("/billing".count))
            let targets = [
                ("/v2/accounts?page_size=2", "/v2/accounts"), (account, "/v2/accounts/{accountId}"),
                (account + "/plans", "/v2/accounts/{accountId}/plans"),
                (account + "/plans/usage", "/v2/accounts/{accountId}/plans/usage"),
            ]
            for (target, _) in targets { _ = await service.curl(target) }
            let text = await Self.scrape(service.ops)
            for (_, route) in targets {
                let series =
                    "http_server_request_duration_seconds_count{http_request_method=\"GET\","
                    + "http_route=\"\(route)\",http_response_status_code=\"200\""
                #expect(Self.value(series, in: text) == 1, "\(route)")
                _ = try await service.process.errors(containing: "\"route\":\"\(route)\"")
            }
            for title in ["List sub accounts", "Get sub account details", "Get plan information", "Get plan usage"] {
                let series = "zoom_calls_total{master=\"sandbox\",operation=\"\(title)\",outcome=\"ok\"}"
                #expect(Self.value(series, in: text) == 1, "\(title)")
            }
        }
    }

    @Test("defences, paused streams and reloaded files are counted")
    func others() async throws {
        try await FiledService.with(["--http-timeouts-headers", "200ms"]) { service in
            let before = await Self.scrape(service.ops)
            #expect(Self.value("billing_reloads_total{file=\"callers\",outcome=\"loaded\"}", in: before) == 0)
            let token = try await service.token(
                of: "app", "--scopes", "billing:read,billing:export", "--master", "main")
            try await service.wait(for: 200, service.account(of: service.main), token: token)
            try write("{", to: service.callersPath)
            try await service.process.errors(containing: "cannot reload the callers")
            try await TextPeer.connected(to: service.client.origin.port) { peer in
                try await peer.send("GET / HTTP/1.1\r\n")
                _ = try await peer.untilClosed()
            }
            let after = await Self.scrape(service.ops)
            #expect(Self.value("billing_reloads_total{file=\"callers\",outcome=\"loaded\"}", in: after) == 1)
            #expect(Self.value("billing_reloads_total{file=\"callers\",outcome=\"refused\"}", in: after) == 1)
            #expect(Self.value("billing_check_status{check=\"callers\"}", in: after) == 1)
            #expect(Self.value("http_server_defences_total{reason=\"headers-timeout\"}", in: after) == 1)
        }
        // A stream counts as paused while its reader does not read.
        try await RunningService.with(["--sandbox-accounts", "30000"]) { service in
            try await FramePeer.connected(to: service.port, settings: [(4, 0)]) { peer in
                let fields = FramePeer.get("/v2/billing/stream", ("authorization", "Bearer \(service.token)"))
                try await peer.send(.headers(1, fields))
                while Self.value("billing_streams_paused", in: await Self.scrape(service.ops)) != 1 {
                    try Task.checkCancellation()
                }
                try await peer.send(.reset(1, 8))
                while Self.value("billing_streams_open", in: await Self.scrape(service.ops)) != 0 {
                    try Task.checkCancellation()
                }
            }
            let text = await Self.scrape(service.ops)
            #expect(Self.value("billing_streams_paused", in: text) == 0)
            #expect(Self.value("billing_stream_paused_seconds_total", in: text).map { $0 > 0 } == true)
            #expect(Self.value("billing_streams_total{outcome=\"cancelled\"}", in: text) == 1)
        }
    }

    @Test(
        "prometheus_client parses /metrics as OpenMetrics (strict parser) and as Prometheus text")
    func prometheusClient() async throws {
        try await RunningService.with { service in
            try await Self.use(service)
            let script = """
                import sys, urllib.request
                from prometheus_client.openmetrics import parser as openmetrics
                from prometheus_client import parser as text
                def page(accept):
                    request = urllib.request.Request(sys.argv[1] + "/metrics", headers={"accept": accept})
                    with urllib.request.urlopen(request) as answer:
                        return answer.headers["content-type"], answer.read().decode()
                kind, strict = page("application/openmetrics-text; version=1.0.0")
                assert kind.startswith("application/openmetrics-text; version=1.0.0"), kind
                strict = {family.name: family for family in openmetrics.text_string_to_metric_families(strict)}
                kind, classic = page("text/plain")
                assert kind.startswith("text/plain; version=0.0.4"), kind
                classic = {family.name: family for family in text.text_string_to_metric_families(classic)}
                assert strict.keys() == classic.keys(), strict.keys() ^ classic.keys()
                for name, family in strict.items():
                    other = classic[name]
                    assert family.type == other.type and family.documentation == other.documentation, name
                    names = {sample.name for sample in family.samples}
                    assert names == {sample.name for sample in other.samples}, name
                    expected = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}
                    assert names <= {name + suffix for suffix in expected[family.type]}, names
                print(len(strict), strict["http_server_connections"].type,
                    strict["http_server_connections_opened"].type)
                """
            let outcome = await TestProcess.run(
                TestProcess.root.appending(path: ".venv/bin/python").path(), ["-c", script, service.ops])
            let families = outcome.output.split(separator: " ").first.flatMap { Int($0) } ?? 0
            #expect(outcome.output.hasSuffix(" gauge counter\n") && families >= 40, "\(outcome)")
        }
    }

    @Test("promtool accepts /metrics and Prometheus scrapes it")
    func prometheus() async throws {
        try await RunningService.with { service in
            try await Self.use(service)
            let check = await TestProcess.run(
                "sh", ["-c", "curl --silent \(service.ops)/metrics | promtool check metrics"])
            #expect(check.status == 0 && (check.output + check.errors).isEmpty, "\(check.output)\(check.errors)")
            try await withTemporaryFolder { folder in
                let target = try #require(service.ops.split(separator: "/").last)
                let configuration = """
                    global: {scrape_interval: 1s, scrape_timeout: 1s}
                    scrape_configs: [{job_name: billing-service, static_configs: [{targets: ['\(target)']}]}]
                    """
                try write(configuration, to: folder + "/prometheus.yml")
                let port = try await PeerProgram.freePort()
                try await PeerProgram.running(
                    "prometheus",
                    [
                        "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                        "--web.listen-address=127.0.0.1:\(port)",
                    ], listeningOn: port
                ) {
                    func query(_ query: String) async throws -> String {
                        let outcome = await TestProcess.run(
                            "curl",
                            [
                                "--silent", "--get", "--data-urlencode", "query=\(query)",
                                "http://127.0.0.1:\(port)/api/v1/query",
                            ])
                        try Task.checkCancellation()
                        return outcome.output
                    }
                    let count = "sum(http_server_request_duration_seconds_count{http_route!=\"none\"})"
                    while !(try await query(count)).contains(#","7"]"#) {}
                    #expect(try await query("up").contains(#","1"]"#))
                    let left = try await query("scrape_samples_post_metric_relabeling")
                    #expect(!left.contains(#","0"]"#))
                }
            }
        }
    }
}
