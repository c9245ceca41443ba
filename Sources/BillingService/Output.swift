import Adapters
import Foundation
import Logging
import NIOCore

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

    static func logger(_ level: Logger.Level) -> Logger {
        var logger = logger(label: "billing-service")
        logger.logLevel = level
        return logger
    }

    /// For who did what, which is kept apart from what happened.
    static func auditLogger() -> Logger {
        logger(label: "billing-service.audit")
    }

    private static func logger(label: String) -> Logger {
        Logger(label: label) { OneLineLogHandler(StreamLogHandler.standardError(label: $0)) }
    }

    /// As it stands in a URL.
    static func authority(of address: SocketAddress) -> String {
        let host = address.ipAddress ?? "localhost"
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}
