import Adapters
import Logging

#if canImport(Glibc)
    import Glibc
#endif

/// What is logged, and how.
struct LogSettings: Sendable {
    /// What `log.format` may say.
    private enum Format: String, CaseIterable {
        /// For people on a terminal, for programs elsewhere.
        case auto
        case text
        case json
    }

    var level: Logger.Level
    var format: LogOutput.Format

    static let all: [Setting] = [.logLevel, .logFormat]

    init(_ reader: inout SettingsReader) {
        level = reader.choice(.logLevel) ?? .info
        format =
            switch reader.choice(.logFormat) ?? Format.auto {
            case .auto: isatty(STDERR_FILENO) == 1 ? .text : .json
            case .text: .text
            case .json: .json
            }
    }
}
