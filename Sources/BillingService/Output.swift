import Adapters
import Foundation
import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// What people and programs read of us: results on standard output, everything else on standard error. Unbuffered, so that
/// a program that waits for a line gets it.
enum Output {
    static func write(_ text: String) {
        write(text, to: .standardOutput)
    }

    static func writeError(_ text: String) {
        write(text, to: .standardError)
    }

    private static func write(_ text: String, to handle: FileHandle) {
        // That nobody is left to read is no error of ours.
        try? handle.write(contentsOf: Data(text.utf8))
    }

    /// What all loggers of this program write to.
    static let log = LogOutput { line in
        try? FileHandle.standardError.write(contentsOf: Data(line.readableBytesView))
    }

    static func logger(_ settings: LogSettings) -> Logger {
        log.level = settings.level
        log.format = settings.format
        return log.logger(label: "billing-service")
    }

    /// For commands that are done in a moment.
    static func logger(_ level: Logger.Level) -> Logger {
        log.level = level
        return log.logger(label: "billing-service")
    }

    /// For who did what, which is kept apart from what happened.
    static func auditLogger() -> Logger {
        log.logger(label: "billing-service.audit")
    }

    /// Ends the program once what was logged is written.
    static func exit(_ status: Int32) -> Never {
        log.flush()
        Glibc.exit(status)
    }

    /// As it stands in a URL.
    static func authority(of address: SocketAddress) -> String {
        let host = address.ipAddress ?? "localhost"
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}
