#if canImport(Glibc)
    import Glibc
#endif

/// Reports the progress of an export on standard error: a bar that is redrawn in place on a terminal, or a line every ten
/// seconds.
struct ExportProgress {
    /// False for a dumb terminal (`TERM=dumb`, as in Emacs), which shows escape sequences as text.
    private let isRedrawn: Bool
    private let start = ContinuousClock.now
    private let startedAt: Int
    private var lastReport: ContinuousClock.Instant?

    /// - Parameter done: The number of accounts that an earlier run has written.
    init(done: Int, terminal: String?) {
        startedAt = done
        isRedrawn = isatty(STDERR_FILENO) == 1 && !["", "dumb"].contains(terminal ?? "")
    }

    mutating func report(done: Int, total: Int?, failures: Int, waiting: String? = nil) {
        let now = ContinuousClock.now
        let interval: Duration = isRedrawn ? .milliseconds(200) : .seconds(10)
        if let lastReport, now - lastReport < interval { return }
        lastReport = now
        let seconds = (now - start) / .seconds(1)
        let rate = seconds > 0 ? Double(done - startedAt) / seconds : 0
        var parts = [total.map { "\(done) of \($0) accounts" } ?? "\(done) accounts"]
        if let waiting { parts.append(waiting) }
        parts += ["\(Int(rate)) per second", "\(failures) failures"]
        if let total, rate > 0 { parts.append("\(Self.duration(Double(total - done) / rate)) left") }
        guard isRedrawn else {
            Output.writeError(parts.joined(separator: ", ") + "\n")
            return
        }
        let share = total.map { $0 > 0 ? Double(done) / Double($0) : 1 } ?? 0
        Output.writeError("\r\u{1B}[K" + Self.line(parts, share: share, width: Self.width))
    }

    func end() {
        if isRedrawn { Output.writeError("\r\u{1B}[K") }
    }

    /// One terminal line: the bar, and as many parts as fit, the most important first. A wider line would wrap, and then only
    /// its last row could be redrawn.
    static func line(_ parts: [String], share: Double, width: Int) -> String {
        let filled = max(0, min(20, Int(share * 20)))
        let bar = "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: 20 - filled) + "] "
        // Leave the last column empty: some terminals wrap after a character in it.
        let columns = max(0, width - 1)
        var text = ""
        for part in parts {
            let longer = text.isEmpty ? part : text + ", " + part
            if text.isEmpty || Self.columns(of: longer) <= columns { text = longer }
        }
        if bar.count + Self.columns(of: text) <= columns { return bar + text }
        while Self.columns(of: text) > columns { text.removeLast() }
        return text
    }

    /// An upper bound of the columns of a text: East Asian characters use two.
    private static func columns(of text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + ($1.value < 0x300 ? 1 : 2) }
    }

    /// The current width of the terminal, which the user may change.
    private static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        return whole < 60
            ? "\(whole) s" : whole < 3600 ? "\(whole / 60) min" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
