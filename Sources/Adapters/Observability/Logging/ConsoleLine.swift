import Logging
import NIOCore

/// Formats log events for a person at a terminal.
struct ConsoleLine {
    let hasColors: Bool

    /// The logger of the service. Other loggers are named in their lines.
    static let usualLabel = "billing-service"

    /// The width of the longest message that the fields of other lines are aligned with.
    static let messageWidth = 40

    func write(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.Metadata.Value)], _ label: String,
        to line: inout ByteBuffer
    ) {
        line.writeString(TerminalStyle.dim.applied(to: LocalTime.now, hasColors))
        line.writeString(" \(Self.paddedName(of: event.level, hasColors)) ")
        let name = label == Self.usualLabel ? "" : label + ": "
        let message = name + LogText.escaped(event.message.description, bytesMax: LogText.messageBytesMax)
        line.writeString(message)
        guard !fields.isEmpty else { return }
        line.writeString(String(repeating: " ", count: max(0, Self.messageWidth - message.count)))
        for (key, value) in fields {
            let text = LogText.escaped(value.description, bytesMax: LogText.fieldBytesMax)
            line.writeString(" " + TerminalStyle.dim.applied(to: key + "=", hasColors) + Self.quoted(text))
        }
    }

    /// The level as a column, in its colour.
    static func paddedName(of level: Logger.Level, _ hasColors: Bool) -> String {
        let name = level.rawValue.uppercased()
        let padding = String(repeating: " ", count: max(0, 8 - name.utf8.count))
        return style(of: level).applied(to: name, hasColors) + padding
    }

    /// `paddedName`, made once.
    static func paddedNameBytes(of level: Logger.Level, _ hasColors: Bool) -> [UInt8] {
        paddedNames[2 * level.rank + (hasColors ? 1 : 0)]
    }

    private static let paddedNames = Logger.Level.allCases.flatMap { level in
        [false, true].map { Array(paddedName(of: level, $0).utf8) }
    }

    private static func style(of level: Logger.Level) -> TerminalStyle {
        switch level {
        case .trace, .debug: .dim
        case .info: .green
        case .notice: .cyan
        case .warning: .yellow
        case .error: .red
        case .critical: .boldRed
        }
    }

    /// Quotes a value whose end would not be visible.
    private static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") })
        else {
            return value
        }
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
