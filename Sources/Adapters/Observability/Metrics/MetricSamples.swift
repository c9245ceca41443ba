package import NIOCore

/// The samples of one scrape, written in one of Prometheus' text formats.
package struct MetricSamples: Sendable {
    package enum Format: Sendable {
        /// Prometheus text format 0.0.4.
        case text
        /// OpenMetrics 1.0.
        case openMetrics

        package var mediaType: String {
            switch self {
            case .text: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    private struct Family: Sendable {
        var kind: Kind
        var help: String

        /// The rest of each sample line, after the family's name.
        var lines: [String] = []
    }

    private var families: [String: Family] = [:]

    init(_ definitions: [String: MetricDefinition]) {
        for definition in definitions.values {
            let kind: Kind
            switch definition.kind {
            case .counter: kind = .counter
            case .gauge: kind = .gauge
            case .histogram: kind = .histogram
            }
            families[definition.name] = Family(kind: kind, help: definition.help)
        }
    }

    package mutating func add(_ definition: MetricDefinition, _ value: Double, _ labels: [MetricLabel] = []) {
        switch definition.kind {
        case .counter: add(definition.name, .counter, labels, value)
        case .gauge: add(definition.name, .gauge, labels, value)
        case .histogram: preconditionFailure("a histogram is more than a value")
        }
    }

    package mutating func add(_ definition: MetricDefinition, _ value: Int, _ labels: [MetricLabel] = []) {
        add(definition, Double(value), labels)
    }

    mutating func add(_ name: String, _ kind: Kind, _ labels: [MetricLabel], _ value: Double) {
        add(name, kind, ["\(Self.text(of: labels)) \(Self.text(of: value))"])
    }

    mutating func add(_ name: String, _ labels: [MetricLabel], bounds: [Double], counts: [Int], sum: Double) {
        var lines: [String] = []
        var count = 0
        for (bound, within) in zip(bounds + [.infinity], counts) {
            count += within
            lines.append(
                "_bucket\(Self.text(of: labels + [("le", bound == .infinity ? "+Inf" : "\(bound)")])) \(count)")
        }
        let text = Self.text(of: labels)
        lines.append("_count\(text) \(count)")
        lines.append("_sum\(text) \(Self.text(of: sum))")
        add(name, .histogram, lines)
    }

    private mutating func add(_ name: String, _ kind: Kind, _ lines: [String]) {
        families[name, default: Family(kind: kind, help: "")].lines += lines
    }

    // MARK: Writing

    package func write(_ format: Format, to buffer: inout ByteBuffer) {
        // Names from libraries may clash. Prometheus rejects a page with two families of one name, so the second is omitted.
        // In OpenMetrics, a counter and a gauge also clash if only the suffix `_total` differs.
        var titles: Set<String> = []
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            let names = Names(Self.exposed(name), family.kind, format)
            guard titles.insert(names.title).inserted else { continue }
            write(names, family, format, to: &buffer)
        }
        if case .openMetrics = format { buffer.writeStaticString("# EOF\n") }
    }

    /// The names of a family and of its samples in one format.
    private struct Names {
        let title: String
        let sample: String

        init(_ name: String, _ kind: Kind, _ format: Format) {
            let suffix = "_total"
            switch (format, kind) {
            case (.openMetrics, .counter):
                // The family's name has no suffix, each sample has one.
                title = name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name
                sample = title + suffix
            case (.text, _), (.openMetrics, .gauge), (.openMetrics, .histogram): (title, sample) = (name, name)
            }
        }
    }

    private func write(_ names: Names, _ family: Family, _ format: Format, to buffer: inout ByteBuffer) {
        if !family.help.isEmpty {
            let help = Self.escaped(family.help, quotes: format == .openMetrics)
            buffer.writeString("# HELP \(names.title) \(help)\n")
        }
        buffer.writeString("# TYPE \(names.title) \(family.kind.rawValue)\n")
        // Sorted, so that the order is the same for each scrape; the buckets of a histogram stay in ascending order.
        for line in family.kind == .histogram ? family.lines : family.lines.sorted() {
            buffer.writeString(names.sample)
            buffer.writeString(line)
            buffer.writeStaticString("\n")
        }
    }

    /// `{name="value"}`, or nothing without labels.
    static func text(of labels: [MetricLabel]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { "\(exposed($0.name))=\"\(escaped($0.value, quotes: true))\"" }
        return "{\(pairs.joined(separator: ","))}"
    }

    static func text(of value: Double) -> String {
        if value == .infinity { return "+Inf" }
        if value == -.infinity { return "-Inf" }
        if value.isNaN { return "NaN" }
        return Int(exactly: value).map { "\($0)" } ?? "\(value)"
    }

    /// The name with every character that Prometheus does not allow replaced by an underscore.
    private static func exposed(_ name: String) -> String {
        var exposed = String(
            name.unicodeScalars.map { scalar -> Character in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_": Character(scalar)
                default: "_"
                }
            })
        if exposed.first.map({ ("0"..."9").contains($0) }) ?? true { exposed = "_" + exposed }
        return exposed
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
