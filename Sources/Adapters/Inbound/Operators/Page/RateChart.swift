/// A small chart of a rate over the last five minutes, as SVG. The upper edge is the limit, or the highest value if that is more.
struct RateChart {
    let values: [Double]
    let limit: Double

    /// Steps of five seconds.
    static let steps = 60

    private static let height = 30.0

    func write(to page: inout HTMLWriter) {
        let top = max(limit, values.max() ?? 0, 1)
        let label =
            values.isEmpty
            ? "No values yet"
            : "Requests a second in the last five minutes: lowest \(Quantity.decimal(values.min() ?? 0)), "
                + "highest \(Quantity.decimal(values.max() ?? 0))"
        page.element(
            "svg",
            [
                ("viewBox", "0 0 \(Self.steps) \(Int(Self.height))"), ("preserveAspectRatio", "none"), ("role", "img"),
                ("aria-label", label), ("class", "chart"),
            ]
        ) { page in
            page.element("path", [("class", "limit"), ("d", "M0 \(y(limit, top))H\(Self.steps)")], "")
            guard !values.isEmpty else { return }
            // The newest value is at the right edge.
            let points = values.suffix(Self.steps).enumerated().map { index, value in
                "\(Self.steps - min(values.count, Self.steps) + index + 1) \(y(value, top))"
            }
            let first = Self.steps - min(values.count, Self.steps) + 1
            let line = "M\(points.joined(separator: "L"))"
            page.element("path", [("class", "area"), ("d", line + "V\(Int(Self.height))H\(first)Z")], "")
            page.element("path", [("class", "line"), ("d", line)], "")
        }
    }

    /// The distance from the upper edge, in tenths at most.
    private func y(_ value: Double, _ top: Double) -> String {
        // Room for the width of the line at both edges.
        Quantity.decimal(1 + (Self.height - 2) * (1 - value / top))
    }
}
