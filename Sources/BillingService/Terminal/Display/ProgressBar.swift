/// Progress on standard error: a bar that is redrawn in place on a terminal, or a line every ten seconds.
package struct ProgressBar: Sendable {
    /// A text beside the bar.
    package struct Part: Sendable {
        let text: String

        /// The text on a narrow terminal.
        let short: String

        package init(_ text: String, short: String? = nil) {
            self.text = text
            self.short = short ?? text
        }
    }

    private let display: TerminalDisplay
    private var lastReport: ContinuousClock.Instant?

    /// The columns of the bar on the terminal.
    private var drawnColumns = 0

    /// - Parameter display: What standard error can show.
    init(_ display: TerminalDisplay) {
        self.display = display
    }

    var isRedrawn: Bool { display.canRedraw }

    /// The time between two reports.
    var interval: Duration { isRedrawn ? .milliseconds(200) : .seconds(10) }

    /// Draws the bar, unless it was drawn a moment ago.
    ///
    /// - Parameters:
    ///   - share: The part that is done, from 0 to 1.
    ///   - parts: The most important first.
    mutating func report(share: Double, _ parts: () -> [Part]) {
        let now = ContinuousClock.now
        if let lastReport, now - lastReport < interval { return }
        lastReport = now
        draw(share: share, parts())
    }

    /// Draws the bar, or writes a line.
    mutating func draw(share: Double, _ parts: [Part]) {
        guard isRedrawn else {
            Output.writeError(parts.map(\.text).joined(separator: ", ") + "\n")
            return
        }
        let width = display.size?.columns ?? 80
        let line = Self.line(parts, share: share, width: width)
        Output.writeStatus(erasing(in: width) + line)
        drawnColumns = DisplayWidth.columns(of: line)
    }

    /// Removes the bar.
    mutating func end() {
        guard isRedrawn, drawnColumns > 0 else { return }
        Output.writeError(erasing(in: display.size?.columns ?? 80))
        drawnColumns = 0
    }

    /// The control sequences that erase the bar. Most terminals wrap it when they become narrower.
    private func erasing(in width: Int) -> String {
        let rowsAbove = drawnColumns > width ? (drawnColumns - 1) / width : 0
        return rowsAbove > 0 ? "\u{1B}[\(rowsAbove)A\r\u{1B}[J" : "\r\u{1B}[K"
    }

    /// One terminal line: the bar, and as many parts as fit. A wider line would wrap, and then only its last row could be
    /// redrawn.
    package static func line(_ parts: [Part], share: Double, width: Int) -> String {
        // Leave the last column empty: some terminals wrap after a character in it.
        let columns = max(0, width - 1)
        let (long, short) = (parts.map(\.text), parts.map(\.short))
        for (texts, barWidth) in [(long, 20), (long, 10), (short, 10)] {
            let line = bar(share, width: barWidth) + texts.joined(separator: ", ")
            if DisplayWidth.columns(of: line) <= columns { return line }
        }
        let bar = columns >= 50 ? bar(share, width: 10) : ""
        var text = ""
        for part in short {
            let longer = text.isEmpty ? part : text + ", " + part
            if text.isEmpty || DisplayWidth.columns(of: bar + longer) <= columns { text = longer }
        }
        return DisplayWidth.truncated(bar + text, columnsMax: columns)
    }

    private static func bar(_ share: Double, width: Int) -> String {
        let filled = max(0, min(width, Int(share * Double(width))))
        return "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled) + "] "
    }

    static func duration(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded())
        return whole < 60
            ? "\(whole) s" : whole < 3600 ? "\(whole / 60) min" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
