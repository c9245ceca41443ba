import Adapters
import Logging

#if canImport(Glibc)
    import Glibc
#endif

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
    var format: LogOutput.Format

    init(_ reader: inout SettingsReader) {
        level = reader.value(Settings.log.level)
        format =
            switch reader.value(Settings.log.format) {
            case .auto: isatty(STDERR_FILENO) == 1 ? .text : .json
            case .text: .text
            case .json: .json
            }
    }
}
