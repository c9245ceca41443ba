import Adapters
import CoreMetrics
import Domain
import DomainFakes
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Operator's page", .timeLimit(.minutes(10)))
struct OperatorPageTests {
    private struct Page {
        let client: HTTPClient
        let collector: StatusCollector
        let metrics: MetricsRegistry
        let time: TestClock

        /// Ends the streams of events, as the shutdown of the listener does.
        let events: PageEvents

        func get(
            _ target: String, method: String = "GET", authorization: String? = nil
        ) async throws -> ClientResponse {
            try await client.exchange(
                request(target, method, authorization), bodyBytesMax: 1_000_000, timeout: .minutes(5))
        }

        func request(_ target: String, _ method: String = "GET", _ authorization: String? = nil) -> ClientRequest {
            var request = ClientRequest(method: method, scheme: "http", authority: "localhost", target: target)
            if let authorization { request.fields.append(.authorization, authorization) }
            return request
        }
    }

    /// What a test can change.
    private final class Holder: Sendable {
        let finding = Mutex(Health.Finding.good)
        let token = Mutex<SHA256Digest?>(nil)
    }

    private static func withPage(_ test: (Page, Holder) async throws -> Void) async throws {
        let (time, metrics, holder) = (TestClock(), MetricsRegistry(), Holder())
        let health = Health(
            checks: [Health.Check("zoom") { holder.finding.withLock(\.self) }], loops: [], clock: testEventLoop,
            time: time)
        let collector = StatusCollector(metrics: metrics, time: time)
        let page = OperatorPage(collector: collector, health: health, time: time)
        let events = PageEvents(page, time: time)
        let access = OperatorAccess(
            defences: DefenceLog(logger: .silent), guesses: Limits.Rate(burst: 2, perSecond: 1)
        ) { holder.token.withLock(\.self) }
        try await withServer(
            Operations(health: health, metrics: metrics, page: page, events: events, access: access)
        ) { server in
            let client = HTTPClient(
                origin: server.origin, group: .singleton, configuration: .longTimeouts, logger: .silent)
            try await test(
                Page(client: client, collector: collector, metrics: metrics, time: time, events: events), holder)
            await client.close()
        }
    }

    @Test("The page has the numbers without JavaScript, and permits no other script, style or connection")
    func numbers() async throws {
        try await Self.withPage { page, _ in
            page.collector.collectRates {
                [
                    ServiceStatus.Rate(
                        master: "main", label: "Heavy", operations: ["Get plan usage"], limitPerSecond: 8, waiting: 3,
                        day: .init(limit: 24_000, used: 12_345), isOwnShare: nil)
                ]
            }
            page.collector.collect { $0.cache.accounts = 1_234_567 }
            let answer = try await page.get("/")
            #expect(answer.status == 200 && answer.fields.string(.contentType) == "text/html; charset=utf-8")
            let html = String(buffer: answer.body)
            #expect(html.hasPrefix("<!doctype html>\n<html lang=\"en\">"))
            #expect(html.contains(#"<data value="12345">12 345</data> of <data value="24000">"#))
            #expect(html.contains(#"<td class="n"><data value="3">3</data></td>"#))
            #expect(html.contains("0 of 1\u{202F}234\u{202F}567"))
            let policy = try #require(answer.fields.string(.contentSecurityPolicy))
            #expect(policy.hasPrefix("default-src 'none'; ") && policy.contains("; script-src 'sha256-"))
            #expect(!policy.contains("unsafe") && !policy.contains("http"))
            let (style, script) = (
                try #require(html.firstMatch(of: /<style>([^<]*)<\/style>/)).output.1,
                try #require(html.firstMatch(of: /<script>([\s\S]*)<\/script>/)).output.1
            )
            for content in [style, script] {
                let digest = Data(SHA256Digest(of: String(content)).bytes).base64EncodedString()
                #expect(policy.contains("'sha256-\(digest)'"))
            }
            #expect(html.ranges(of: "<script").count == 1 && html.ranges(of: " style=").isEmpty)
            #expect(answer.body.readableBytes < 60_000)
        }
    }

    @Test("A failing check is shown with its reason and what to do, as text and never as markup")
    func failingCheck() async throws {
        try await Self.withPage { page, holder in
            holder.finding.withLock { $0 = .failing("<script>alert(1)</script>", remedy: "mend \"it\" & wait") }
            let html = String(buffer: try await page.get("/").body)
            #expect(html.contains("<strong>Not ready</strong>") && html.contains("Failing: zoom."))
            #expect(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
            #expect(html.contains("<b>What to do: </b>mend &quot;it&quot; &amp; wait"))
            #expect(html.ranges(of: "<script").count == 1)
            let status = try #require(try await page.get("/status").json)
            #expect(status["ready"] == .bool(false))
        }
    }

    @Test("Events have only the sections that changed, and end when the listener shuts down")
    func events() async throws {
        try await Self.withPage { page, holder in
            let stream = try await page.client.stream(
                page.request("/status/events"), headTimeout: .minutes(1), silenceMax: .minutes(1))
            #expect(stream.fields.string(.contentType) == "text/event-stream")
            var received = ByteBuffer()
            func sections() async throws -> Set<String> {
                while true {
                    let text = String(buffer: received)
                    if let end = text.range(of: "}}\n\n"), let start = text.range(of: "data: ") {
                        let json = text[start.upperBound..<end.upperBound].trimmingCharacters(in: .newlines)
                        received = ByteBuffer(string: String(text[end.upperBound...]))
                        let event = try #require(try JSONValue(parsing: Array(json.utf8)).object)
                        return Set(try #require(event["sections"]?.object).members.map(\.name))
                    }
                    received.writeImmutableBuffer(try #require(try await stream.body.next()))
                }
            }
            #expect(try await sections().count == 8)
            try await page.time.sleepers(1)
            holder.finding.withLock { $0 = .degraded("slow", remedy: "wait") }
            page.time.advance(by: .seconds(1))
            // Times since a check's status are in two sections.
            #expect(try await sections() == ["summary", "checks"])
            try await page.time.sleepers(1)
            page.events.end()
            page.time.advance(by: .seconds(1))
            #expect(try await stream.body.next() == nil)
        }
    }

    @Test("The token protects the page, the status and the events, but not probes and metrics")
    func token() async throws {
        try await Self.withPage { page, holder in
            holder.token.withLock { $0 = SHA256Digest(of: "let me in") }
            let basic = "Basic " + Data("operator:let me in".utf8).base64EncodedString()
            for target in ["/", "/status", "/status/events"] {
                let refused = try await page.get(target)
                #expect(refused.status == 401, "\(target)")
                #expect(refused.fields.string(.wwwAuthenticate)?.hasPrefix("Basic realm=") == true)
                guard target != "/status/events" else { continue }
                #expect(try await page.get(target, authorization: basic).status == 200)
                #expect(try await page.get(target, authorization: "Bearer let me in").status == 200)
            }
            for target in ["/livez", "/readyz", "/metrics"] {
                #expect(try await page.get(target).status == 200, "\(target)")
            }
            // Wrong tokens are limited, the right one is not.
            var statuses: [Int] = []
            for _ in 0..<4 { statuses.append(try await page.get("/", authorization: "Bearer wrong").status) }
            #expect(statuses == [401, 401, 429, 429])
            #expect(try await page.get("/", authorization: "Bearer let me in").status == 200)
        }
    }

    @Test("The status has the same numbers as the metrics, and when the daily quota is used up")
    func status() async throws {
        try await Self.withPage { page, _ in
            let used = Mutex(0)
            page.collector.collectRates {
                [
                    ServiceStatus.Rate(
                        master: "main", label: "Medium", operations: ["Get billing information"], limitPerSecond: 16,
                        waiting: 0, day: .init(limit: 1000, used: used.withLock(\.self)), isOwnShare: nil)
                ]
            }
            page.collector.collectCacheLookups { (3 * used.withLock(\.self), 4 * used.withLock(\.self)) }
            let permits = page.metrics.makeCounter(
                label: "zoom_budget_sent_total", dimensions: [("master", "main"), ("label", "Medium")])
            page.metrics.makeCounter(
                label: "zoom_calls_total",
                dimensions: [("master", "main"), ("operation", "Get billing information"), ("outcome", "rate-limited")]
            ).increment(by: 2)
            // Ten requests a second for 50 seconds: 500 of 1,000, so the rest lasts for 50 seconds.
            for _ in 0..<50 {
                page.collector.read()
                page.time.advance(by: .seconds(1))
                permits.increment(by: 10)
                used.withLock { $0 += 10 }
            }
            page.collector.read()
            let status = try #require(try await page.get("/status").json)
            let rate = try #require(status["rates"]?.array?.first?.object)
            #expect(rate["admitted"] == .number("500") && rate["used_per_second"] == .number("10"))
            #expect(rate["answers_429"] == .number("2"))
            #expect(rate["history"]?.array == Array(repeating: .number("10"), count: 10))
            let now = page.time.timestamp
            #expect(
                rate["day"]?.object?["exhausted_at"]
                    == .string(Timestamp(secondsSinceEpoch: now.secondsSinceEpoch + 50).rfc3339))
            #expect(rate["day"]?.object?["resets_at"] == .string("2026-02-01T00:00:00Z"))
            #expect(status["cache"]?.object?["hit_ratio"] == .number("0.75"))
        }
    }
}
