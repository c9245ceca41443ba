import Domain

/// Numbers, durations and sizes for people.
enum Quantity {
    /// A whole number, with a narrow blank between groups of three digits: `1 234 567`.
    static func count(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "\u{202F}" }
            text.append(digit)
        }
        return text
    }

    /// A number with at most one digit after the point, and none from 100 on.
    static func decimal(_ number: Double) -> String {
        guard number.isFinite else { return "–" }
        let tenths = (number * 10).rounded() / 10
        guard tenths < 100, let whole = Int(exactly: tenths.rounded(.down)) else { return count(Int(number.rounded())) }
        let digit = Int(((tenths - Double(whole)) * 10).rounded())
        return digit == 0 ? "\(whole)" : "\(whole).\(digit)"
    }

    /// `99.2 %`. Rounded down, so that 100 % means all.
    static func percent(_ fraction: Double) -> String {
        let tenths = Int(fraction * 1000)
        return tenths % 10 == 0 ? "\(tenths / 10)\u{202F}%" : "\(tenths / 10).\(tenths % 10)\u{202F}%"
    }

    /// The two largest units: `3 min 20 s`, `2 d 4 h`.
    static func duration(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        func text(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
            small == 0 ? "\(large)\u{202F}\(largeUnit)" : "\(large)\u{202F}\(largeUnit) \(small)\u{202F}\(smallUnit)"
        }
        switch seconds {
        case ..<60: return "\(seconds)\u{202F}s"
        case ..<3600: return text(seconds / 60, "min", seconds % 60, "s")
        case ..<86_400: return text(seconds / 3600, "h", seconds % 3600 / 60, "min")
        default: return text(seconds / 86_400, "d", seconds % 86_400 / 3600, "h")
        }
    }

    /// The duration of a request: `4.2 ms`, `1.3 s`.
    static func requestTime(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        return milliseconds < 1000
            ? "\(decimal(milliseconds))\u{202F}ms" : "\(decimal(milliseconds / 1000))\u{202F}s"
    }

    /// `12.4 MiB`.
    static func bytes(_ count: Int) -> String {
        var size = Double(count)
        for unit in ["B", "KiB", "MiB"] {
            if size < 1024 { return "\(decimal(size))\u{202F}\(unit)" }
            size /= 1024
        }
        return "\(decimal(size))\u{202F}GiB"
    }
}
