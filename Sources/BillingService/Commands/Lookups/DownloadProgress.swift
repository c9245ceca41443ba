/// Shows the progress of a download on a terminal.
struct DownloadProgress {
    private var bar: ProgressBar
    private let start = ContinuousClock.now

    /// Bytes; nil if the service does not send the length.
    private let total: Int?
    private(set) var done = 0

    init(total: Int?, _ display: TerminalDisplay) {
        self.total = total
        bar = ProgressBar(display)
    }

    mutating func add(_ count: Int) {
        done += count
        guard bar.isRedrawn else { return }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = seconds > 0 ? Double(done) / seconds : 0
        let (done, total) = (done, total)
        bar.report(share: total.map { $0 > 0 ? Double(done) / Double($0) : 1 } ?? 0) {
            var parts = [total.map { "\(Self.size(done)) of \(Self.size($0))" } ?? Self.size(done)]
            parts.append("\(Self.size(Int(rate))) per second")
            if let total, rate > 0 { parts.append("\(ProgressBar.duration(Double(total - done) / rate)) left") }
            return parts.map { ProgressBar.Part($0) }
        }
    }

    mutating func end() {
        bar.end()
    }

    /// Decimal units, as browsers show them: `999 bytes`, `1.5 kB`, `200.0 MB`.
    static func size(_ bytes: Int) -> String {
        guard bytes >= 1000 else { return "\(bytes) bytes" }
        let (unit, name) = bytes >= 1_000_000 ? (1_000_000, "MB") : (1000, "kB")
        let tenths = bytes / (unit / 10)
        return "\(tenths / 10).\(tenths % 10) \(name)"
    }
}
