import Adapters
import Domain
import DomainFakes
import Foundation
import Instrumentation
import Metrics
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Tracing

/// A fake collector of spans.
private final class Collector: Sendable {
    private let bodies = Mutex<[Data]>([])
    let requests = Event<Int>()

    /// - Parameter status: Returns the status of the response to the request with this number, from 1.
    func handler(_ status: @escaping @Sendable (Int) -> Int = { _ in 200 }) -> ScriptedHandler {
        ScriptedHandler { [self] request in
            .eventually { [self] in
                guard let body = try? await request.body.collect(bytesMax: 10_000_000) else {
                    return .text("", status: 400)
                }
                let number = bodies.withLock { bodies in
                    bodies.append(Data(body.readableBytesView))
                    return bodies.count
                }
                requests.fire(number)
                return .text("{}", status: status(number))
            }
        }
    }

    var spans: [[String: Any]] {
        bodies.withLock { $0 }.flatMap { body -> [[String: Any]] in
            let object = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
            let resources = object?["resourceSpans"] as? [[String: Any]] ?? []
            let scopes = resources.flatMap { $0["scopeSpans"] as? [[String: Any]] ?? [] }
            return scopes.flatMap { $0["spans"] as? [[String: Any]] ?? [] }
        }
    }

    var resource: [String: String] {
        let object = bodies.withLock { $0.first }.flatMap { try? JSONSerialization.jsonObject(with: $0) }
        let resources = (object as? [String: Any])?["resourceSpans"] as? [[String: Any]]
        let resource = resources?.first?["resource"] as? [String: Any]
        return attributes(of: resource ?? [:])
    }
}

private func attributes(of object: [String: Any]) -> [String: String] {
    let all = (object["attributes"] as? [[String: Any]] ?? []).compactMap { attribute -> (String, String)? in
        guard let key = attribute["key"] as? String, let value = attribute["value"] as? [String: Any] else {
            return nil
        }
        return (key, value.values.first.map { "\($0)" } ?? "")
    }
    return Dictionary(all) { first, _ in first }
}

@Suite("Tracing", .timeLimit(.minutes(10)))
struct TracingTests {
    private static let traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let sampled = "00-\(traceID)-00f067aa0ba902b7-01"

    @Test("a request has spans for the request, the cache lookups and the call to Zoom")
    func spans() async throws {
        let collector = Collector()
        try await withServer(collector.handler()) { server in
            let flags = ["--trace-otlp-url", "http://127.0.0.1:\(server.port)", "--trace-sample", "0.000001"]
            try await RunningService.with(flags) { service in
                for _ in 0..<2 { _ = await service.curl(service.accountPath, "-H", "traceparent: \(Self.sampled)") }
                // Not sampled.
                _ = await service.curl(service.accountPath, "-H", "traceparent: \(Self.sampled.dropLast())0")
                _ = await service.curl(service.accountPath)
            }
        }
        let spans = collector.spans
        #expect(spans.allSatisfy { $0["traceId"] as? String == Self.traceID })
        func named(_ name: String) -> [[String: Any]] { spans.filter { $0["name"] as? String == name } }
        let requests = named("GET /v2/accounts/{accountId}/billing")
        #expect(requests.count == 2 && requests.allSatisfy { $0["kind"] as? Int == 2 })
        #expect(requests.allSatisfy { $0["parentSpanId"] as? String == "00f067aa0ba902b7" })
        let seen = attributes(of: requests[0])
        #expect(seen["http.response.status_code"] == "200" && seen["http.route"] == "/v2/accounts/{accountId}/billing")
        #expect(
            requests.map { attributes(of: $0)["billing.cache"] }.sorted { ($0 ?? "") < ($1 ?? "") } == [
                "fresh", "missed",
            ])
        let calls = named("Get billing information")
        #expect(calls.count == 1 && calls[0]["kind"] as? Int == 3)
        // The first request's cache miss and its fetch, and the second request's cache hit.
        let lookups = named("look up")
        #expect(lookups.count == 3)
        #expect(lookups.contains { $0["spanId"] as? String == calls[0]["parentSpanId"] as? String })
        for span in spans {
            let (start, end) = (span["startTimeUnixNano"] as? String, span["endTimeUnixNano"] as? String)
            #expect(try #require(start.flatMap(Int.init)) <= #require(end.flatMap(Int.init)))
        }
        #expect(collector.resource["service.name"] == "billing-service")
        #expect(collector.resource["service.version"] == BuildInfo.version)
    }

    @Test("requests to Zoom carry the caller's trace context")
    func onward() async throws {
        let fields = Mutex<[(String?, String?)]>([])
        let zoom = ScriptedHandler { request in
            if request.path.elementsEqual("/oauth/token".utf8) {
                return .now(.text(#"{"access_token":"t","expires_in":3600}"#))
            }
            fields.withLock { $0.append((request.fields.string(.traceparent), request.fields.string(.tracestate))) }
            return .now(.text(#"{"city":"Oakland"}"#))
        }
        var context = InstrumentationContext.topLevel
        let carrier = ["traceparent": Self.sampled, "tracestate": "a=1,b=2"]
        ServiceTracer().extract(carrier, into: &context, using: DictionaryExtractor())
        for queue in [nil, SpanQueue(metrics: .none)] {
            try await TestZoom.with(zoom, tracer: ServiceTracer(queue: queue)) { client in
                for purpose in [Purpose.interactive(for: nil), .bulk] {
                    _ = try await InstrumentationContext.withValue(context) {
                        try await client.billing(of: AccountID(literal: "a1"), for: purpose)
                    }
                }
            }
        }
        let seen = fields.withLock { $0 }
        #expect(seen.count == 4 && seen.allSatisfy { $0.1 == "a=1,b=2" })
        // Only interactive calls of a recording tracer have their own span; the others send the caller's.
        #expect([0, 1, 3].allSatisfy { seen[$0].0 == Self.sampled })
        #expect(seen[2].0?.hasPrefix("00-\(Self.traceID)-") == true && seen[2].0 != Self.sampled)
    }

    private static func export(
        _ count: Int, status: @escaping @Sendable (Int) -> Int, until: Int
    ) async throws -> (spans: Int, metrics: String) {
        let collector = Collector()
        let metrics = MetricsRegistry()
        let queue = SpanQueue(spansMax: 1000, metrics: metrics)
        let tracer = ServiceTracer(queue: queue)
        for _ in 0..<count { tracer.startSpan("work").end() }
        var limits = Limits()
        limits.bodyBytesMax = 1_000_000
        try await withServer(collector.handler(status), limits: limits) { server in
            var http = HTTPClient.Configuration.longTimeouts
            http.clearProtocol = .http1
            var configuration = SpanExporter.Configuration(origin: server.origin, path: "/v1/traces", http: http)
            configuration.interval = .milliseconds(10)
            configuration.retryPause = .milliseconds(10)
            configuration.timeout = .minutes(5)
            let exporter = SpanExporter(
                queue, configuration, resource: [], group: .singleton, time: SystemTime(), metrics: metrics,
                logger: .silent)
            try await withServices([exporter]) {
                while try await collector.requests.next() < until {}
            }
            // The exporter finishes the current batch at shutdown.
        }
        var text = ByteBuffer()
        metrics.samples().write(.text, to: &text)
        return (collector.spans.count, String(buffer: text))
    }

    @Test("ending a span never blocks; spans beyond the limit are dropped and counted")
    func bounded() async throws {
        let (spans, metrics) = try await Self.export(1500, status: { _ in 200 }, until: 2)
        #expect(spans == 1000)
        #expect(
            metrics.contains("trace_spans_dropped_total 500\n") && metrics.contains("trace_spans_exported_total 1000\n")
        )
    }

    @Test("retryable failures of an export are retried, then spans are dropped; other failures drop spans immediately")
    func refused() async throws {
        let (again, taken) = try await Self.export(10, status: { $0 < 3 ? 503 : 200 }, until: 3)
        #expect(again == 30 && taken.contains("trace_spans_exported_total 10\n"))
        let (once, refused) = try await Self.export(10, status: { _ in 400 }, until: 1)
        #expect(once == 10 && refused.contains("trace_spans_dropped_total 10\n"))
        let (often, failed) = try await Self.export(10, status: { _ in 503 }, until: 4)
        #expect(often == 40 && failed.contains("trace_spans_dropped_total 10\n"))
    }

    @Test("requests succeed while the collector is unreachable or does not respond")
    func gone() async throws {
        let (started, cancelled) = (Event<Void>(), Event<Void>())
        try await withServer(ScriptedHandler.waiting(started: started, cancelled: cancelled)) { server in
            for port in [server.port, 1] {
                let flags = ["--trace-otlp-url", "http://127.0.0.1:\(port)", "--trace-sample", "1"]
                try await RunningService.with(flags) { service in
                    let load = await TestProcess.run(
                        "h2load",
                        [
                            "-n", "2000", "-c", "4", "-m", "8", "-H", service.authorization,
                            service.base + service.accountPath,
                        ])
                    #expect(load.output.contains("2000 succeeded, 0 failed"), "\(load.output)")
                }
            }
        }
    }
}
