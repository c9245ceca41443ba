/// What a metric is, said once: instruments are made from it, and the exposition describes it.
package struct MetricDefinition: Sendable {
    package enum Kind: Sendable {
        /// Only grows.
        case counter
        case gauge
        /// Counts by size; the upper bounds in seconds, to which infinity is added.
        case histogram([Double])
    }

    /// As it is exposed; a counter's ends in `_total`, and a unit is part of it.
    package let name: String
    package let kind: Kind

    /// One line, for people.
    package let help: String

    init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }
}

/// A label of a series, and its value.
package typealias MetricLabel = (name: String, value: String)
