import Testing

/// Runs programs on a pseudo-terminal.
enum TestTerminal {
    /// The standard streams that are not the terminal.
    enum Redirection: String {
        case none = ""
        case output = "1"
    }

    /// Keys that terminals do not pass on as text.
    enum Key {
        /// Sends SIGINT.
        static let interrupt = "\u{3}"

        /// The end of input.
        static let end = "\u{4}"
    }

    /// - Parameters:
    ///   - columns: The width of the terminal.
    ///   - redirection: The streams that write to /dev/null instead.
    ///   - prompt: The text at which `answer` is typed.
    ///   - answer: With its line end, or a `Key`.
    /// - Returns: The outcome, whose output is all that the terminal has received. Lines end with CR LF.
    static func run(
        _ program: String, _ arguments: [String], columns: Int, terminal: String = "xterm",
        redirection: Redirection = .none, prompt: String = "", answer: String = "", environment: [String: String] = [:]
    ) async -> TestProcess.Outcome {
        let script = """
            import fcntl, os, pty, struct, sys, termios
            prompt, answer = sys.argv[3].encode(), sys.argv[4].encode()
            pid, terminal = pty.fork()
            if pid == 0:
                fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
                for descriptor in sys.argv[2]:
                    os.dup2(os.open("/dev/null", os.O_WRONLY), int(descriptor))
                os.execv(sys.argv[5], sys.argv[5:])
            output = b""
            try:
                while True:
                    part = os.read(terminal, 65536)
                    if not part:
                        break
                    output += part
                    if answer and prompt in output:
                        os.write(terminal, answer)
                        answer = b""
            except OSError:
                pass
            _, status = os.waitpid(pid, 0)
            sys.stdout.buffer.write(output)
            sys.exit(os.waitstatus_to_exitcode(status))
            """
        return await TestProcess.run(
            "python3", ["-c", script, "\(columns)", redirection.rawValue, prompt, answer, program] + arguments,
            environment: ["TERM": terminal].merging(environment) { $1 })
    }
}
