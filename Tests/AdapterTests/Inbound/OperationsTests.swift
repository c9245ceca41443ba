import Adapters
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("The listener for probes", .timeLimit(.minutes(1)))
struct OperationsTests {
    private static func withOperations(
        checks: [Health.Check] = [], loops: [any EventLoop] = [], time: TestClock = TestClock(),
        stuckAfter: TimeAmount = .seconds(10), _ test: (HTTPClient, Health) async throws -> Void
    ) async throws {
        let health = Health(
            checks: checks, loops: loops, clock: testEventLoop, time: time, stuckAfter: stuckAfter)
        try await withServer(Operations(health: health)) { server in
            try await withServices([health]) {
                let client = HTTPClient(
                    origin: server.origin, group: .singleton, configuration: .patient, logger: .silent)
                try await test(client, health)
                await client.close()
            }
        }
    }

    private static func get(
        _ client: HTTPClient, _ target: String, method: String = "GET"
    ) async throws -> ClientResponse {
        let request = ClientRequest(method: method, scheme: "http", authority: "localhost", target: target)
        return try await client.exchange(request, bodyBytesMax: 10_000, timeout: .minutes(5))
    }

    @Test("says that the service is ready, until it is shutting down")
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

    @Test("says of each check since when it is as it is, and how to mend it")
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

            // Worse in the same way is no new state.
            finding.withLock { $0 = .degraded("slower", remedy: "wait") }
            time.advance(by: .seconds(60))
            let worse = try await zoom()
            #expect(worse.check["since"] == .string("2026-01-31T12:01:00Z"))

            finding.withLock { $0 = .failing("gone", remedy: "mend") }
            let failing = try await zoom()
            #expect(failing.status == 503 && failing.check["since"] == .string("2026-01-31T12:02:00Z"))
        }
    }

    @Test("says that a loop is stuck, and that the service is dead then")
    func stuck() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (held, release) = (Event<Void>(), DispatchSemaphore(value: 0))
        try await Self.withOperations(loops: [group.next()], stuckAfter: .milliseconds(200)) { client, _ in
            group.next().execute {
                held.fire()
                release.wait()
            }
            await held.next()
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
        "answers nothing else",
        arguments: [("GET", "/", 404), ("GET", "/v2/billing/stream", 404), ("POST", "/livez", 405)])
    func others(method: String, target: String, status: Int) async throws {
        try await Self.withOperations { client, _ in
            let response = try await Self.get(client, target, method: method)
            #expect(response.status == status)
        }
    }
}
