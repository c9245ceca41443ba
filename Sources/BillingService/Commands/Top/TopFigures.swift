import Adapters

/// Figures of `top` as text.
enum TopFigures {
    /// Groups of three digits: `1,234,567`.
    static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// One decimal below 100.
    static func rate(_ number: Double) -> String {
        guard number.isFinite else { return "-" }
        return abs(number) >= 100 ? count(Int(number.rounded())) : decimal(number)
    }

    static func percent(_ share: Double) -> String { decimal(share * 100) + "%" }

    private static func decimal(_ number: Double) -> String {
        let tenths = Int((abs(number) * 10).rounded())
        return "\(number < 0 && tenths > 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
    }

    /// A bar of ten columns.
    static func bar(_ share: Double) -> String {
        let filled = share.isFinite ? max(0, min(10, Int((share * 10).rounded()))) : 0
        return String(repeating: "#", count: filled) + String(repeating: "-", count: 10 - filled)
    }

    /// The colour of a share of which nothing may be left.
    static func style(_ share: Double) -> TerminalStyle {
        share >= 0.95 ? .red : share >= 0.75 ? .yellow : .green
    }

    private static let levels = Array("▁▂▃▄▅▆▇█")

    /// A chart of one row.
    ///
    /// - Parameters:
    ///   - values: The oldest first. Several share a column if there are more than columns: their highest.
    ///   - scale: The value of the highest level.
    static func sparkline(_ values: [Double], scale: Double, columnsMax: Int) -> String {
        guard !values.isEmpty, columnsMax > 0 else { return "" }
        let share = (values.count + columnsMax - 1) / columnsMax
        let highest = max(scale, values.max() ?? 0)
        return stride(from: 0, to: values.count, by: share).reduce(into: "") { text, start in
            let value = values[start..<min(start + share, values.count)].max() ?? 0
            let level = highest > 0 ? Int((value / highest * 7).rounded(.up)) : 0
            text.append(levels[max(0, min(7, level))])
        }
    }

    /// Seconds since 1970.
    static func seconds(_ rfc3339: String?) -> Int? {
        rfc3339.flatMap { MillisecondTime(rfc3339: $0) }.map { Int($0.milliseconds / 1000) }
    }
}

extension JSONObject {
    func number(_ name: String) -> Double? {
        guard case .number(let text) = self[name] else { return nil }
        return Double(text)
    }

    func count(_ name: String) -> Int? { number(name).flatMap { Int(exactly: $0.rounded()) } }

    func flag(_ name: String) -> Bool? {
        guard case .bool(let flag) = self[name] else { return nil }
        return flag
    }

    func text(_ name: String) -> String { self[name]?.string ?? "" }

    func objects(_ name: String) -> [JSONObject] { (self[name]?.array ?? []).compactMap(\.object) }
}
