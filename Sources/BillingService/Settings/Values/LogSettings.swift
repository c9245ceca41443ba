import Adapters
import Logging

/// The checked settings of the log.
struct LogSettings: Sendable {
    /// The values of `log.format`.
    enum Format: String, CaseIterable, Sendable {
        /// `text` on a terminal, otherwise `json`.
        case auto
        case text
        case json
    }

    var level: Logger.Level
    var format: Format

    init(_ reader: inout SettingsReader) {
        level = reader.value(Settings.log.level)
        format = reader.value(Settings.log.format)
    }

    /// The form of the lines on standard error.
    func form(on display: TerminalDisplay) -> LogOutput.Format {
        switch format {
        case .auto: display.isTerminal ? .console : .json
        case .text: display.isTerminal ? .console : .text
        case .json: .json
        }
    }
}
