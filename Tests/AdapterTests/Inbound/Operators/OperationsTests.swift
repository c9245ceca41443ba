import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Operations listener", .timeLimit(.minutes(10)))
struct OperationsTests {
    private static func withOperations(
        checks: [Health.Check] = [], loops: [any EventLoop] = [], time: TestClock = TestClock(),
        metrics: MetricsRegistry = MetricsRegistry(), stuckAfter: TimeAmount = .seconds(10),
        _ test: (HTTPClient, Health) async throws -> Void
    ) async throws {
        let health = Health(
            checks: checks, loops: loops, clock: testEventLoop, time: time, stuckAfter: stuckAfter)
        let page = OperatorPage(
            collector: StatusCollector(metrics: metrics, time: time), health: health, time: time)
        let access = OperatorAccess(
            defences: DefenceLog(logger: .silent), guesses: Limits.Rate(burst: 1, perSecond: 1)
        ) { nil }
        try await withServer(
            Operations(
                health: health, metrics: metrics, page: page, events: PageEvents(page, time: time), access: access)
        ) { server in
            try await withServices([health]) {
                let client = HTTPClient(
                    origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
                try await test(client, health)
                await client.close()
            }
        }
    }

    private static func get(
        _ client: HTTPClient, _ target: String, method: String = "GET", accept: String? = nil
    ) async throws -> ClientResponse {
        var request = ClientRequest(method: method, scheme: "http", authority: "localhost", target: target)
        if let accept { request.fields.append(.accept, accept) }
        return try await client.exchange(request, bodyBytesMax: 100_000, timeout: .minutes(5))
    }

    @Test("/readyz answers 200 until the shutdown begins, then 503, and /livez stays 200")
    func ready() async throws {
        try await Self.withOperations { client, health in
            let ready = try await Self.get(client, "/readyz")
            #expect(ready.status == 200 && String(buffer: ready.body) == "{\"status\":\"ready\"}\n")
            health.shutdownBegan()
            let draining = try await Self.get(client, "/readyz")
            #expect(draining.status == 503 && String(buffer: draining.body) == "{\"status\":\"not ready\"}\n")
            #expect(try await Self.get(client, "/livez").status == 200)
        }
    }

    @Test("/readyz?verbose lists each check with its status, start time and remedy")
    func verbose() async throws {
        let finding = Mutex(Health.Finding.good)
        let time = TestClock(start: .init(secondsSinceEpoch: 1_769_860_800))
        let check = Health.Check("zoom") { finding.withLock { $0 } }
        try await Self.withOperations(checks: [check], time: time) { client, _ in
            func zoom() async throws -> (status: Int, check: JSONObject) {
                let response = try await Self.get(client, "/readyz?verbose")
                let checks = try #require(response.json?["checks"]?.array)
                #expect(checks.compactMap { $0.object?["name"]?.string } == ["accepting", "event-loops", "zoom"])
                return (response.status, try #require(checks.last?.object))
            }
            let good = try await zoom()
            #expect(good.status == 200 && good.check["status"] == .string("good"))
            #expect(good.check["since"] == .string("2026-01-31T12:00:00Z") && good.check["remedy"] == nil)

            finding.withLock { $0 = .degraded("slow", remedy: "wait") }
            time.advance(by: .seconds(60))
            let degraded = try await zoom()
            #expect(degraded.status == 200 && degraded.check["since"] == .string("2026-01-31T12:01:00Z"))
            #expect(degraded.check["detail"] == .string("slow") && degraded.check["remedy"] == .string("wait"))

            // Another detail with the same status does not change the start time.
            finding.withLock { $0 = .degraded("slower", remedy: "wait") }
            time.advance(by: .seconds(60))
            let worse = try await zoom()
            #expect(worse.check["since"] == .string("2026-01-31T12:01:00Z"))

            finding.withLock { $0 = .failing("gone", remedy: "mend") }
            let failing = try await zoom()
            #expect(failing.status == 503 && failing.check["since"] == .string("2026-01-31T12:02:00Z"))
        }
    }

    @Test(
        "/metrics uses the format of the Accept field",
        arguments: [
            (nil, "text/plain; version=0.0.4; charset=utf-8"), ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
            ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                    + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            ),
            ("application/openmetrics-text;q=0.1, text/plain;q=0.2", "text/plain; version=0.0.4; charset=utf-8"),
            ("application/openmetrics-text;q=0, */*", "text/plain; version=0.0.4; charset=utf-8"),
            ("application/json", nil),
        ] as [(String?, String?)])
    func metrics(accept: String?, type: String?) async throws {
        let metrics = MetricsRegistry()
        DefenceLog(logger: .silent, metrics: metrics).triggered(.resets)
        try await Self.withOperations(metrics: metrics) { client, _ in
            let response = try await Self.get(client, "/metrics", accept: accept)
            #expect(response.status == (type == nil ? 406 : 200))
            guard let type else { return }
            #expect(response.fields.string(.contentType) == type)
            let lines = String(buffer: response.body).split(separator: "\n")
            #expect(lines.contains(#"http_server_defences_total{reason="resets"} 1"#))
            #expect((lines.last == "# EOF") == type.hasPrefix("application/openmetrics-text"))
        }
    }

    @Test("a blocked event loop makes /livez and /readyz answer 503")
    func stuck() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (held, release) = (Event<Void>(), DispatchSemaphore(value: 0))
        try await Self.withOperations(loops: [group.next()], stuckAfter: .milliseconds(200)) { client, _ in
            group.next().execute {
                held.fire()
                release.wait()
            }
            try await held.next()
            var response = try await Self.get(client, "/livez")
            while response.status == 200 { response = try await Self.get(client, "/livez") }
            #expect(String(buffer: response.body) == "{\"status\":\"stuck\"}\n")
            #expect(try await Self.get(client, "/readyz").status == 503)
            release.signal()
            while response.status == 503 { response = try await Self.get(client, "/livez") }
        }
        try await group.shutdownGracefully()
    }

    @Test(
        "other paths are answered 404 and other methods 405",
        arguments: [
            ("GET", "/v2/billing/stream", 404), ("GET", "//", 404), ("POST", "/livez", 405), ("POST", "/", 405),
        ])
    func others(method: String, target: String, status: Int) async throws {
        try await Self.withOperations { client, _ in
            let response = try await Self.get(client, target, method: method)
            #expect(response.status == status)
        }
    }
}
