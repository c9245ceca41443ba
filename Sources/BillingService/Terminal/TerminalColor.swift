#if canImport(Glibc)
    import Glibc
#endif

/// A text colour of ECMA-48 terminals.
enum TerminalColor: Int {
    case red = 31
    case green = 32

    func applied(to text: String) -> String {
        "\u{1B}[\(rawValue)m\(text)\u{1B}[0m"
    }

    /// Whether a descriptor is a terminal with colours, and the user has not disabled them (no-color.org).
    static func isSupported(by descriptor: CInt, _ environment: [String: String]) -> Bool {
        isatty(descriptor) == 1 && (environment["NO_COLOR"] ?? "").isEmpty
            && !["", "dumb"].contains(environment["TERM"] ?? "")
    }
}
