#if canImport(Glibc)
    import Glibc
#endif

/// What a descriptor can show. All decisions about colours, redrawn text and the width are made here.
package struct TerminalDisplay: Sendable {
    /// The size of a terminal in characters.
    package struct Size: Equatable, Sendable {
        package var columns: Int
        package var rows: Int
    }

    /// The size of a terminal that does not report one, such as a serial line.
    private static let defaultSize = Size(columns: 80, rows: 24)

    private let descriptor: CInt

    /// Whether the descriptor is a terminal.
    package let isTerminal: Bool

    /// Whether text may have colours.
    package let hasColors: Bool

    /// Whether text can be redrawn in place. False for a dumb terminal (`TERM=dumb`, as in Emacs), which shows escape
    /// sequences as text.
    package let canRedraw: Bool

    init(of descriptor: CInt, _ color: ColorChoice, environment: [String: String] = Invocation.environment) {
        self.init(descriptor, isTerminal: isatty(descriptor) == 1, color, environment)
    }

    package init(_ descriptor: CInt, isTerminal: Bool, _ color: ColorChoice, _ environment: [String: String]) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        canRedraw = isTerminal && !["", "dumb"].contains(environment["TERM"] ?? "")
        hasColors = color.allowsColors(environment) ?? canRedraw
    }

    /// The current size, which the user may change; nil if the descriptor is no terminal.
    var size: Size? {
        guard isTerminal else { return nil }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return Self.defaultSize }
        return Size(
            columns: size.ws_col > 0 ? Int(size.ws_col) : Self.defaultSize.columns,
            rows: size.ws_row > 0 ? Int(size.ws_row) : Self.defaultSize.rows)
    }

    /// The current columns of the terminal that a descriptor is connected to; nil if it is no terminal.
    static func columns(of descriptor: CInt) -> Int? {
        // Colours do not change the width.
        TerminalDisplay(of: descriptor, .never, environment: [:]).size?.columns
    }
}
