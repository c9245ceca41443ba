#if canImport(Glibc)
    import Glibc
#endif

/// A display that takes the whole terminal of standard output, and is redrawn in place.
struct TerminalScreen {
    /// Control sequences of xterm, which other terminals follow.
    private enum Sequence {
        /// The alternate screen, without a cursor.
        static let enter = "\u{1B}[?1049h\u{1B}[?25l"
        static let leave = "\u{1B}[?25h\u{1B}[?1049l"
        static let clear = "\u{1B}[2J"

        /// Synchronized output: the terminal shows the text between both sequences at once. Terminals without support ignore
        /// them.
        static let beginUpdate = "\u{1B}[?2026h"
        static let endUpdate = "\u{1B}[?2026l"

        static func line(_ row: Int, _ text: String) -> String { "\u{1B}[\(row + 1);1H\u{1B}[2K" + text }
    }

    /// The lines on the terminal; nil if they are unknown.
    private var drawn: [String]?
    private var size: TerminalDisplay.Size?

    mutating func enter() throws(OutputProblem) {
        drawn = nil
        try Output.write(Sequence.enter)
    }

    /// Restores what was on the terminal before.
    func leave() {
        // A terminal that is gone needs nothing.
        try? Output.write(Sequence.leave)
    }

    /// The next `draw` writes every line.
    mutating func forget() { drawn = nil }

    /// Writes the lines that have changed.
    ///
    /// - Parameter lines: At most as many as the terminal has rows, and not wider.
    mutating func draw(_ lines: [String], _ size: TerminalDisplay.Size) throws(OutputProblem) {
        if size != self.size { drawn = nil }
        self.size = size
        let lines = lines + Array(repeating: "", count: max(0, size.rows - lines.count))
        var text = ""
        for (row, line) in lines.enumerated() where drawn?[row] != line { text += Sequence.line(row, line) }
        let clear = drawn == nil ? Sequence.clear : ""
        drawn = lines
        if !text.isEmpty { try Output.write(Sequence.beginUpdate + clear + text + Sequence.endUpdate) }
    }
}

/// Passes on single keys of the terminal of standard input, without showing them.
struct TerminalKeys {
    /// nil if standard input is no terminal.
    private let original: termios?

    init() {
        var settings = termios()
        original = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &settings) == 0 ? settings : nil
    }

    var areAvailable: Bool { original != nil }

    func begin() {
        guard var settings = original else { return }
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }

    /// Restores the terminal.
    func end() {
        guard var settings = original else { return }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }
}
