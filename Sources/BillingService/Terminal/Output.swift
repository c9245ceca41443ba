import Adapters
import Logging
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Standard output for results, and standard error for everything else. Neither is buffered, so that a program that waits
/// for a line gets it at once.
enum Output {
    /// Prepares the standard descriptors. Must be called before any file is opened.
    ///
    /// Writes to a pipe without a reader then fail instead of ending the program. Descriptors that the parent process has
    /// closed are opened on /dev/null; otherwise the next opened file would get their number, and messages would be written
    /// to it.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        // open(2) returns the lowest free number, so the order matters. Standard output is opened for reading only, so that
        // a write to it still fails.
        for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
        where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", mode)
        }
    }

    /// Writes to standard output.
    static func write(_ text: String) throws(OutputProblem) {
        if let code = write(text, to: STDOUT_FILENO) { throw OutputProblem(code: code) }
    }

    /// Writes to standard output. If that is a file, returns once the text is on the disk.
    static func writeDurably(_ text: String) throws(OutputProblem) {
        try write(text)
        // Pipes and terminals cannot be synchronized: EINVAL, or EROFS for some devices.
        guard fsync(STDOUT_FILENO) == 0 || [EINVAL, EROFS, ENOTSUP].contains(errno) else {
            throw OutputProblem(code: errno)
        }
    }

    /// Reports on standard output that a change was made.
    ///
    /// - Throws: `CommandFailure`, which also reports the change: it is not undone if the report fails.
    static func confirm(_ message: String) throws(CommandFailure) {
        do throws(OutputProblem) {
            try write(message + "\n")
        } catch {
            throw CommandFailure("\(message), but \(error)")
        }
    }

    /// Writes to standard error, after all earlier log lines. A failure cannot be reported elsewhere.
    ///
    /// - Returns: Whether the text was written.
    @discardableResult
    static func writeError(_ text: String) -> Bool {
        log.flush()
        return write(text, to: STDERR_FILENO) == nil
    }

    /// - Returns: The `errno` if a write failed; otherwise nil.
    private static func write(_ text: String, to descriptor: CInt) -> CInt? {
        // Restores the original bytes of file names.
        write(SystemText.bytes(of: text)[...], to: descriptor)
    }

    /// Writes bytes to standard output.
    static func write(_ bytes: ByteBuffer) throws(OutputProblem) {
        if let code = DescriptorOutput.write(bytes, to: STDOUT_FILENO) { throw OutputProblem(code: code) }
    }

    /// Writes a result to standard output, on a thread that may block: the reader may be slow.
    ///
    /// The text is written as UTF-8. Unlike `write(_:)`, this is for text that contains no file names.
    static func writeResult(_ text: String) async throws {
        try await writeResult(ByteBuffer(string: text))
    }

    /// Writes JSON and a line end, as `writeResult`.
    static func writeJSON(_ json: ByteBuffer) async throws {
        var line = json
        line.writeStaticString("\n")
        try await writeResult(line)
    }

    static func writeResult(_ bytes: ByteBuffer) async throws {
        try await NIOThreadPool.singleton.runIfActive { try write(bytes) }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) -> CInt? {
        var rest = bytes
        while !rest.isEmpty {
            let part = Array(rest.prefix(65_536))
            let count = Glibc.write(descriptor, part, part.count)
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // Another program has made the shared file description non-blocking.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }

    /// Whether a status line, such as a progress bar, is on the line of the cursor on standard error.
    private static let hasStatus = Atomic(false)

    /// Writes a line that is redrawn in place to standard error. It is erased before a log line.
    static func writeStatus(_ text: String) {
        writeError(text)
        hasStatus.store(true, ordering: .relaxed)
    }

    /// The output of all loggers of this program.
    static let log = LogOutput { lines in
        if hasStatus.exchange(false, ordering: .relaxed) { _ = write("\r\u{1B}[K", to: STDERR_FILENO) }
        _ = DescriptorOutput.write(lines, to: STDERR_FILENO)
    }

    static func logger(_ settings: LogSettings, _ color: ColorChoice) -> Logger {
        let display = TerminalDisplay(of: STDERR_FILENO, color)
        log.level = settings.level
        log.format = settings.form(on: display)
        log.hasColors = display.hasColors
        return log.logger(label: "billing-service")
    }

    /// A logger for short commands.
    static func logger(_ level: Logger.Level) -> Logger {
        log.level = level
        return log.logger(label: "billing-service")
    }

    /// The audit log, which has a label of its own.
    static func auditLogger() -> Logger {
        log.logger(label: "billing-service.audit")
    }

    /// Writes the remaining log lines, then ends the program.
    static func exit(_ status: Int32) -> Never {
        log.flush()
        Glibc.exit(status)
    }

    /// The address and port in the notation of a URL.
    static func authority(of address: SocketAddress) -> String {
        let host = address.ipAddress ?? "localhost"
        return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
}
