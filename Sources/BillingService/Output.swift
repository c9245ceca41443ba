import Adapters
import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Standard output and standard error: results go to the first, everything else to the second. Unbuffered, so that a
/// program that waits for a line gets it.
enum Output {
    /// To be called first. Writes to a pipe without a reader then fail, instead of ending the program; and a descriptor
    /// that the parent process has closed is not given to the next file that is opened: text for people would go there.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        // The lowest free number is taken: in this order each is its own. Standard output is opened for reading alone, so
        // that writing to it fails as it would without.
        for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
        where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", mode)
        }
    }

    /// Writes to standard output.
    static func write(_ text: String) throws(OutputProblem) {
        if let code = write(text, to: STDOUT_FILENO) { throw OutputProblem(code: code) }
    }

    /// Writes to standard output, and returns when a file there has it on the disk.
    static func writeDurably(_ text: String) throws(OutputProblem) {
        try write(text)
        // Pipes and terminals have no disk: EINVAL, or EROFS for some devices.
        guard fsync(STDOUT_FILENO) == 0 || [EINVAL, EROFS, ENOTSUP].contains(errno) else {
            throw OutputProblem(code: errno)
        }
    }

    /// Says on standard output that a change was made.
    ///
    /// - Throws: `CommandFailure` that says so too: the change is not undone because nobody could be told.
    static func confirm(_ message: String) throws(CommandFailure) {
        do throws(OutputProblem) {
            try write(message + "\n")
        } catch {
            throw CommandFailure("\(message), but \(error)")
        }
    }

    /// Writes to standard error. A failure is ignored: there is nowhere else to report it.
    static func writeError(_ text: String) {
        _ = write(text, to: STDERR_FILENO)
    }

    /// - Returns: `errno`, if not everything could be written.
    private static func write(_ text: String, to descriptor: CInt) -> CInt? {
        // File names are written with the bytes they have.
        write(SystemText.bytes(of: text)[...], to: descriptor)
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) -> CInt? {
        var rest = bytes
        while !rest.isEmpty {
            let part = Array(rest.prefix(65_536))
            let count = Glibc.write(descriptor, part, part.count)
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Another program has made the shared description non-blocking.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }

    /// What all loggers of this program write to.
    static let log = LogOutput { line in
        _ = write(Array(line.readableBytesView)[...], to: STDERR_FILENO)
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

    /// For the audit log, which is kept apart from what happened.
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
