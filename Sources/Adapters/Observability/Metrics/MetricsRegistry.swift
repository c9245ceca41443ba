package import CoreMetrics
import NIOCore
import Synchronization

/// The swift-metrics backend: instruments by name and labels, and collectors that run for each scrape.
///
/// The lock guards creating and listing instruments. Counting takes no lock.
package final class MetricsRegistry: MetricsFactory {
    private enum Instrument: Sendable {
        case counter(CounterInstrument)
        case fraction(FractionCounterInstrument)
        case gauge(GaugeInstrument)
        case histogram(HistogramInstrument, bounds: [Double])
    }

    private struct Series: Sendable {
        let labels: [MetricLabel]
        let instrument: Instrument
    }

    private struct State {
        /// By metric name, then by the exposed text of the labels.
        var series: [String: [String: Series]] = [:]
        var collectors: [@Sendable (inout MetricSamples) -> Void] = []
    }

    private let definitions: [String: MetricDefinition]
    private let state = Mutex(State())

    package init(definitions: [MetricDefinition] = MetricDefinition.all) {
        self.definitions = Dictionary(uniqueKeysWithValues: definitions.map { ($0.name, $0) })
    }

    /// Adds a collector, which adds its samples at each scrape.
    package func collect(_ collect: @escaping @Sendable (inout MetricSamples) -> Void) {
        state.withLock { $0.collectors.append(collect) }
    }

    /// The current samples of all instruments and collectors.
    package func samples() -> MetricSamples {
        let (series, collectors) = state.withLock { ($0.series, $0.collectors) }
        var samples = MetricSamples(definitions)
        for collect in collectors { collect(&samples) }
        for (name, all) in series {
            for one in all.values {
                switch one.instrument {
                case .counter(let counter): samples.add(name, .counter, one.labels, counter.total)
                case .fraction(let counter): samples.add(name, .counter, one.labels, counter.total)
                case .gauge(let gauge): samples.add(name, .gauge, one.labels, gauge.value)
                case .histogram(let histogram, let bounds):
                    let (counts, sum) = histogram.snapshot
                    samples.add(name, one.labels, bounds: bounds, counts: counts, sum: sum)
                }
            }
        }
        return samples
    }

    /// The labels and the value of one series.
    struct SeriesValue: Sendable {
        let labels: [MetricLabel]
        let value: Double

        /// The value of a label; empty without it.
        func label(_ name: String) -> String { labels.first { $0.name == name }?.value ?? "" }
    }

    /// The current values of the instruments of a metric. A histogram has the number of its observations.
    func values(of definition: MetricDefinition) -> [SeriesValue] {
        let series = state.withLock { $0.series[definition.name] ?? [:] }
        return series.values.map { one in
            let value: Double =
                switch one.instrument {
                case .counter(let counter): counter.total
                case .fraction(let counter): counter.total
                case .gauge(let gauge): gauge.value
                case .histogram(let histogram, _): Double(histogram.snapshot.counts.reduce(0, +))
                }
            return SeriesValue(labels: one.labels, value: value)
        }
    }

    // MARK: swift-metrics

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let made = instrument(label, dimensions) { _ in .counter(CounterInstrument()) }
        guard case .counter(let counter) = made else { return CounterInstrument() }
        return counter
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        let made = instrument(label, dimensions) { _ in .fraction(FractionCounterInstrument()) }
        guard case .fraction(let counter) = made else { return FractionCounterInstrument() }
        return counter
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        let made = instrument(label, dimensions) { _ in .gauge(GaugeInstrument()) }
        guard case .gauge(let gauge) = made else { return GaugeInstrument() }
        return gauge
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        let made = instrument(label, dimensions) { bounds in
            aggregate ? .histogram(HistogramInstrument(bounds: bounds), bounds: bounds) : .gauge(GaugeInstrument())
        }
        switch made {
        case .histogram(let histogram, _): return histogram
        case .gauge(let gauge): return gauge
        case .counter, .fraction: return GaugeInstrument()
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let made = instrument(label, dimensions) { bounds in
            .histogram(HistogramInstrument(bounds: bounds), bounds: bounds)
        }
        guard case .histogram(let histogram, _) = made else { return HistogramInstrument(bounds: []) }
        return histogram
    }

    // Series are never destroyed, since a counter that comes back would start from zero.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// Returns the instrument with this name and these labels, and makes it if there is none.
    ///
    /// If another kind of instrument has this name and these labels, returns that one. The caller then counts in an instrument
    /// that is not exposed.
    private func instrument(
        _ name: String, _ labels: [MetricLabel], _ make: ([Double]) -> Instrument
    ) -> Instrument {
        let key = MetricSamples.text(of: labels)
        return state.withLock { state in
            if let known = state.series[name]?[key] { return known.instrument }
            var bounds: [Double] = []
            if case .histogram(let defined)? = definitions[name]?.kind { bounds = defined }
            let made = make(bounds)
            state.series[name, default: [:]][key] = Series(labels: labels, instrument: made)
            return made
        }
    }
}

extension MetricsFactory where Self == NOOPMetricsHandler {
    /// Counts nothing.
    package static var none: NOOPMetricsHandler { NOOPMetricsHandler.instance }
}
