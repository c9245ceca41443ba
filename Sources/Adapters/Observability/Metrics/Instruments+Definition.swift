package import Metrics

extension Counter {
    package convenience init(
        _ definition: MetricDefinition, _ labels: [MetricLabel] = [], in factory: any MetricsFactory
    ) {
        self.init(label: definition.name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
    }
}

extension FloatingPointCounter {
    package convenience init(
        _ definition: MetricDefinition, _ labels: [MetricLabel] = [], in factory: any MetricsFactory
    ) {
        self.init(label: definition.name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
    }
}

extension Meter {
    package convenience init(
        _ definition: MetricDefinition, _ labels: [MetricLabel] = [], in factory: any MetricsFactory
    ) {
        self.init(label: definition.name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
    }
}

extension Metrics.Timer {
    package convenience init(
        _ definition: MetricDefinition, _ labels: [MetricLabel] = [], in factory: any MetricsFactory
    ) {
        self.init(label: definition.name, dimensions: labels.map { ($0.name, $0.value) }, factory: factory)
    }
}
