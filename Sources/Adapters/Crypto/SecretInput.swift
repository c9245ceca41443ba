package import Domain

#if canImport(Glibc)
    import Glibc
#endif

/// Reads a secret from the terminal or from standard input. Not from arguments, which every user of the machine can see.
package enum SecretInput {
    package enum Problem: Error, Equatable {
        case empty
        case long
        case severalLines
        /// Interrupted, or the end of input.
        case cancelled
    }

    /// Far above the length of any secret of Zoom or of this service.
    private static let bytesMax = 4096

    /// Reads a line without echo, after a prompt, if standard input is a terminal. Otherwise reads all of standard input, which
    /// must be one line.
    package static func read(prompt: String) throws(Problem) -> Secret {
        guard isatty(STDIN_FILENO) == 1 else { return try readInput(toEndOfLine: false) }
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { throw .cancelled }
        var hidden = shown
        // Terminal signals are off too: their keys end the line instead.
        hidden.c_lflag &= ~tcflag_t(ECHO | ISIG)
        hidden.c_cc.11 = interrupt  // VEOL
        hidden.c_cc.16 = quit  // VEOL2
        shownTerminal = shown
        let signals = restoreOnSignals()
        defer { for number in signals { stopRestoring(on: number) } }
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else { throw .cancelled }
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
            show("\n")
        }
        show(prompt)
        return try readInput(toEndOfLine: true)
    }

    /// Safe: written before the signal handlers that read it are installed.
    nonisolated(unsafe) private static var shownTerminal = termios()

    /// The earlier actions of signals, by signal number.
    ///
    /// Safe: written before the signal handlers that read it are installed.
    nonisolated(unsafe) private static var earlierActions: [sigaction] = []

    /// Installs handlers that restore the terminal's echo before a signal terminates the program.
    ///
    /// - Returns: The signals that are handled. Ignored signals stay ignored.
    private static func restoreOnSignals() -> [CInt] {
        // The signals that terminate a process by default (signal(7)). Signals for memory and CPU faults, such as SIGSEGV,
        // are not among them.
        let ending =
            [
                SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU,
                SIGXFSZ,
                SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
            ] + Array(__libc_current_sigrtmin()...__libc_current_sigrtmax())
        earlierActions = (0...__libc_current_sigrtmax()).map { number in
            var action = sigaction()
            sigaction(number, nil, &action)
            return action
        }
        return ending.filter { number in
            var action = earlierActions[Int(number)]
            guard unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != ignored else { return false }
            action.sa_flags = 0
            action.__sigaction_handler.sa_handler = { number in
                // All calls are async-signal-safe (signal-safety(7)). The raised signal has its earlier action when the
                // handler returns.
                tcsetattr(STDIN_FILENO, TCSANOW, &SecretInput.shownTerminal)
                SecretInput.stopRestoring(on: number)
                raise(number)
            }
            return sigaction(number, &action, nil) == 0
        }
    }

    private static func stopRestoring(on number: CInt) {
        var action = earlierActions[Int(number)]
        sigaction(number, &action, nil)
    }

    /// SIG_IGN as a number (Linux: asm-generic/signal-defs.h).
    private static let ignored = 1

    private static let interrupt: cc_t = 0x03
    private static let quit: cc_t = 0x1C

    /// Writes to standard error, since standard output may be redirected.
    private static func show(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }

    private static func readInput(toEndOfLine: Bool) throws(Problem) -> Secret {
        var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
        defer { cleanse(&bytes) }
        var length = 0
        while length < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(STDIN_FILENO, $0.baseAddress?.advanced(by: length), $0.count - length)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            length += count
            // A terminal returns one line a read.
            if toEndOfLine { break }
        }
        guard length <= bytesMax else { throw .long }
        let end = bytes.prefix(length).last
        if toEndOfLine, end == nil || end == interrupt || end == quit { throw .cancelled }
        return try secret(bytes.prefix(length))
    }

    /// Removes the line end. Refuses empty input and more than one line.
    private static func secret(_ bytes: ArraySlice<UInt8>) throws(Problem) -> Secret {
        var bytes = bytes
        // Slices, so that no copy of the secret remains in memory.
        if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
        guard !bytes.isEmpty else { throw .empty }
        guard !bytes.contains(UInt8(ascii: "\n")) else { throw .severalLines }
        return Secret(bytes)
    }
}
