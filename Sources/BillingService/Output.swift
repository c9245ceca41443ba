import FoundationEssentials
import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// What people and programs read of us: results on standard output, everything else on standard error.
enum Output {
    /// Unbuffered, so that a program that waits for a line gets it.
    static func write(_ text: String) {
        write(text, to: STDOUT_FILENO)
    }

    static func writeError(_ text: String) {
        write(text, to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            // Nobody is left to read: not an error of ours.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    static func logger(_ level: Logger.Level) -> Logger {
        var logger = Logger(label: "billing-service") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level
        return logger
    }

    /// As it stands in a URL.
    static func authority(of address: SocketAddress) -> String {
        let host = address.ipAddress ?? "localhost"
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}
