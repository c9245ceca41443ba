/// A metric family: name, kind and help text. Instruments and the exposition are made from it.
package struct MetricDefinition: Sendable {
    package enum Kind: Sendable {
        /// Monotonic.
        case counter
        case gauge
        /// Upper bounds of the buckets in seconds, without `+Inf`.
        case histogram([Double])
    }

    /// The exposed name: includes the unit, and ends in `_total` for a counter.
    package let name: String
    package let kind: Kind

    /// The text of the `# HELP` line.
    package let help: String

    init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }
}

/// A label's name and value.
package typealias MetricLabel = (name: String, value: String)
