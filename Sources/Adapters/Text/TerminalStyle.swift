/// A colour or weight of text on terminals (ECMA-48, 8.3.117).
package enum TerminalStyle: String, Sendable {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case cyan = "36"
    case boldRed = "1;31"

    /// - Parameter hasColors: Whether the text may have colours.
    package func applied(to text: String, _ hasColors: Bool) -> String {
        hasColors && !text.isEmpty ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
