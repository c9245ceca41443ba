import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// Says on standard error how far an export has come: a bar that is drawn again and again on a terminal, a line now and then
/// elsewhere.
struct ExportProgress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now
    private let startedAt: Int
    private var lastSaid: ContinuousClock.Instant?

    /// - Parameter done: What an earlier run had done.
    init(done: Int) {
        startedAt = done
    }

    mutating func say(done: Int, total: Int?, failures: Int, waiting: String? = nil) {
        let now = ContinuousClock.now
        let every: Duration = isTerminal ? .milliseconds(200) : .seconds(10)
        if let lastSaid, now - lastSaid < every { return }
        lastSaid = now
        let seconds = (now - start) / .seconds(1)
        let rate = seconds > 0 ? Double(done - startedAt) / seconds : 0
        var text = total.map { "\(done) of \($0)" } ?? "\(done)"
        text += " accounts, \(Int(rate)) a second, \(failures) failures"
        if let total, rate > 0 { text += ", \(Self.duration(Double(total - done) / rate)) left" }
        if let waiting { text += ", \(waiting)" }
        if isTerminal {
            let share = total.map { $0 > 0 ? Double(done) / Double($0) : 1 } ?? 0
            let filled = min(20, Int(share * 20))
            let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: 20 - filled)
            write("\r\u{1B}[K[\(bar)] \(text)")
        } else {
            write(text + "\n")
        }
    }

    func end() {
        if isTerminal { write("\r\u{1B}[K") }
    }

    static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        return whole < 60
            ? "\(whole) s" : whole < 3600 ? "\(whole / 60) min" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    private func write(_ text: String) {
        Output.writeError(text)
    }
}
