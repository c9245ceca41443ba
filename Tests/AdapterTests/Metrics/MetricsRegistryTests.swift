import Adapters
import Metrics
import NIOCore
import Testing

@Suite("Metrics registry")
struct MetricsRegistryTests {
    private static func text(_ registry: MetricsRegistry, _ format: MetricSamples.Format = .text) -> String {
        var buffer = ByteBuffer()
        registry.samples().write(format, to: &buffer)
        return String(buffer: buffer)
    }

    @Test("names are sanitized and label values escaped in both formats")
    func escapes() {
        let registry = MetricsRegistry(definitions: [])
        Counter(label: "calls_total", dimensions: [("name", "a\"b\\c\nd"), ("other", "ä")], factory: registry)
            .increment(by: 3)
        Meter(label: "9 lives", dimensions: [("a-b", "")], factory: registry).set(0.5)
        #expect(
            Self.text(registry) == #"""
                # TYPE _9_lives gauge
                _9_lives{a_b=""} 0.5
                # TYPE calls_total counter
                calls_total{name="a\"b\\c\nd",other="ä"} 3

                """#)
        #expect(
            Self.text(registry, .openMetrics) == #"""
                # TYPE _9_lives gauge
                _9_lives{a_b=""} 0.5
                # TYPE calls counter
                calls_total{name="a\"b\\c\nd",other="ä"} 3
                # EOF

                """#)
    }

    @Test("every family of the catalogue has HELP and TYPE lines before its first sample")
    func described() {
        let text = Self.text(MetricsRegistry())
        for definition in MetricDefinition.all {
            #expect(text.contains("# HELP \(definition.name) ") && text.contains("# TYPE \(definition.name) "))
            if case .counter = definition.kind {
                #expect(definition.name.hasSuffix("_total"))
            } else {
                #expect(!definition.name.hasSuffix("_total"))
            }
        }
        #expect(Set(MetricDefinition.all.map(\.name)).count == MetricDefinition.all.count)
    }

    @Test("histogram buckets are cumulative and include their upper bound")
    func histogram() {
        let registry = MetricsRegistry()
        let timer = Metrics.Timer(.zoomBudgetWait, [("master", "a")], in: registry)
        for seconds in [0.0, 0.0001, 0.00011, 1, 29, 31] { timer.recordNanoseconds(Int64(seconds * 1e9)) }
        let lines = Self.text(registry).split(separator: "\n").filter { $0.hasPrefix("zoom_budget_wait_seconds") }
        #expect(lines.count == 19)
        #expect(lines.first == #"zoom_budget_wait_seconds_bucket{master="a",le="0.0001"} 2"#)
        #expect(lines[1] == #"zoom_budget_wait_seconds_bucket{master="a",le="0.00025"} 3"#)
        #expect(lines.contains(#"zoom_budget_wait_seconds_bucket{master="a",le="1.0"} 4"#))
        #expect(lines.contains(#"zoom_budget_wait_seconds_bucket{master="a",le="30.0"} 5"#))
        #expect(lines.contains(#"zoom_budget_wait_seconds_bucket{master="a",le="+Inf"} 6"#))
        #expect(lines.contains(#"zoom_budget_wait_seconds_count{master="a"} 6"#))
        #expect(lines.last == #"zoom_budget_wait_seconds_sum{master="a"} 61.00021"#)
    }

    @Test("concurrent updates lose no count")
    func concurrent() async {
        let registry = MetricsRegistry()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    // Each call finds the same instrument.
                    for _ in 0..<5000 {
                        Counter(.zoomCalls, [("outcome", "ok")], in: registry).increment()
                        Meter(.streamsOpen, in: registry).increment()
                        FloatingPointCounter(.streamPausedTime, in: registry).increment(by: 0.25)
                        Metrics.Timer(.zoomBudgetWait, in: registry).recordNanoseconds(500_000_000)
                    }
                }
            }
        }
        let text = Self.text(registry)
        #expect(text.contains("zoom_calls_total{outcome=\"ok\"} 40000\n"))
        #expect(text.contains("billing_streams_open 40000\n"))
        #expect(text.contains("billing_stream_paused_seconds_total 10000\n"))
        #expect(text.contains("zoom_budget_wait_seconds_count 40000\n"))
        #expect(text.contains("zoom_budget_wait_seconds_sum 20000\n"))
    }

    @Test("no two families of the catalogue have the same name, also without the suffixes that formats add")
    func names() {
        // The suffixes of OpenMetrics 1.0, "MetricFamily".
        let suffixes = ["_total", "_created", "_count", "_sum", "_bucket", "_gcount", "_gsum", "_info"]
        let stems = MetricDefinition.all.map { definition in
            let suffix = suffixes.first { definition.name.hasSuffix($0) }
            return String(definition.name.dropLast(suffix?.count ?? 0))
        }
        let repeated = Dictionary(grouping: stems) { $0 }.filter { $0.value.count > 1 }.keys
        #expect(repeated.isEmpty)
    }

    @Test("a library's metric with a name in use is omitted, so that the page stays valid")
    func clash() {
        let registry = MetricsRegistry(definitions: [])
        Meter(label: "connections", factory: registry).set(7)
        Counter(label: "connections_total", factory: registry).increment()
        Counter(label: "connections.total", factory: registry).increment()
        for format in [MetricSamples.Format.text, .openMetrics] {
            let titles = Self.text(registry, format).split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
                .compactMap { $0.split(separator: " ").dropFirst(2).first }
            #expect(Set(titles).count == titles.count && titles.contains("connections"))
        }
    }

    @Test("libraries can add metrics; a second kind under the same name is ignored")
    func others() {
        let registry = MetricsRegistry(definitions: [])
        registry.makeRecorder(label: "sizes", dimensions: [], aggregate: true).record(5 as Int64)
        Meter(label: "sizes", factory: registry).set(7)
        Counter(label: "sizes", factory: registry).increment()
        let text = Self.text(registry)
        #expect(text.contains("sizes_count 1\n") && !text.contains("sizes 7"))
    }
}
