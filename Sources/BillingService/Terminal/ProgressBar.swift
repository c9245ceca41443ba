#if canImport(Glibc)
    import Glibc
#endif

/// Progress on standard error: a bar that is redrawn in place on a terminal, or a line every ten seconds.
package struct ProgressBar {
    /// False for a dumb terminal (`TERM=dumb`, as in Emacs), which shows escape sequences as text.
    let isRedrawn: Bool
    private var lastReport: ContinuousClock.Instant?

    /// - Parameter terminal: The environment variable `TERM`.
    init(terminal: String?) {
        isRedrawn = isatty(STDERR_FILENO) == 1 && !["", "dumb"].contains(terminal ?? "")
    }

    /// Draws the bar, unless it was drawn a moment ago.
    ///
    /// - Parameters:
    ///   - share: The part that is done, from 0 to 1.
    ///   - parts: Texts beside the bar, the most important first.
    mutating func report(share: Double, _ parts: () -> [String]) {
        let now = ContinuousClock.now
        let interval: Duration = isRedrawn ? .milliseconds(200) : .seconds(10)
        if let lastReport, now - lastReport < interval { return }
        lastReport = now
        guard isRedrawn else {
            Output.writeError(parts().joined(separator: ", ") + "\n")
            return
        }
        let width = DisplayWidth.columns(ofTerminal: STDERR_FILENO) ?? 80
        Output.writeError("\r\u{1B}[K" + Self.line(parts(), share: share, width: width))
    }

    /// Removes the bar.
    func end() {
        if isRedrawn { Output.writeError("\r\u{1B}[K") }
    }

    /// One terminal line: the bar, and as many parts as fit. A wider line would wrap, and then only its last row could be
    /// redrawn.
    package static func line(_ parts: [String], share: Double, width: Int) -> String {
        let filled = max(0, min(20, Int(share * 20)))
        let bar = "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: 20 - filled) + "] "
        // Leave the last column empty: some terminals wrap after a character in it.
        let columns = max(0, width - 1)
        var text = ""
        for part in parts {
            let longer = text.isEmpty ? part : text + ", " + part
            if text.isEmpty || DisplayWidth.columns(of: longer) <= columns { text = longer }
        }
        if bar.count + DisplayWidth.columns(of: text) <= columns { return bar + text }
        while DisplayWidth.columns(of: text) > columns { text.removeLast() }
        return text
    }

    static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        return whole < 60
            ? "\(whole) s" : whole < 3600 ? "\(whole / 60) min" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
