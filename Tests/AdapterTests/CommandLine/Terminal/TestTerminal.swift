import Foundation
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

        /// Sends SIGTSTP.
        static let suspend = "\u{1A}"
    }

    /// What the user does when a text has appeared.
    struct Step: Encodable {
        /// A text that the terminal receives after the one of the last step.
        var after: String
        var type: String?
        var columns: Int?
        var rows: Int?
        var signal: Int32?

        /// A URL to get, for example to let a server continue.
        var get: String?

        /// Whether to wait until the program is stopped, as a shell does.
        var isStopped: Bool?

        static func type(_ text: String, after prompt: String) -> Step { Step(after: prompt, type: text) }

        static func resize(columns: Int, rows: Int, after text: String) -> Step {
            Step(after: text, columns: columns, rows: rows)
        }

        static func signal(_ signal: Int32, after text: String) -> Step { Step(after: text, signal: signal) }

        static func get(_ url: String, after text: String) -> Step { Step(after: text, get: url) }

        /// Sends SIGCONT once the program is stopped.
        static func resume(after text: String) -> Step { Step(after: text, signal: SIGCONT, isStopped: true) }
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
        await run(
            program, arguments, columns: columns, terminal: terminal, redirection: redirection,
            steps: answer.isEmpty ? [] : [.type(answer, after: prompt)], environment: environment)
    }

    /// - Parameter steps: In this order.
    static func run(
        _ program: String, _ arguments: [String], columns: Int, rows: Int = 24, terminal: String = "xterm",
        redirection: Redirection = .none, steps: [Step], environment: [String: String] = [:]
    ) async -> TestProcess.Outcome {
        let script = """
            import fcntl, json, os, pty, struct, sys, termios, urllib.request

            def resize(descriptor, columns, rows):
                fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

            steps = json.loads(sys.argv[4])
            pid, terminal = pty.fork()
            if pid == 0:
                resize(2, int(sys.argv[1]), int(sys.argv[2]))
                for descriptor in sys.argv[3]:
                    os.dup2(os.open("/dev/null", os.O_WRONLY), int(descriptor))
                os.execv(sys.argv[5], sys.argv[5:])
            output = unseen = b""
            try:
                while True:
                    part = os.read(terminal, 65536)
                    if not part:
                        break
                    output += part
                    unseen += part
                    while steps and steps[0]["after"].encode() in unseen:
                        step = steps.pop(0)
                        unseen = unseen.split(step["after"].encode(), 1)[1]
                        if step.get("isStopped"):
                            os.waitpid(pid, os.WUNTRACED)
                        if "type" in step:
                            os.write(terminal, step["type"].encode())
                        if "columns" in step:
                            resize(terminal, step["columns"], step["rows"])
                        if "get" in step:
                            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(step["get"]).read()
                        if "signal" in step:
                            os.kill(pid, step["signal"])
            except OSError:
                pass
            _, status = os.waitpid(pid, 0)
            sys.stdout.buffer.write(output)
            sys.exit(os.waitstatus_to_exitcode(status))
            """
        guard let encoded = try? JSONEncoder().encode(steps) else { preconditionFailure("steps are plain values") }
        return await TestProcess.run(
            "python3",
            [
                "-c", script, "\(columns)", "\(rows)", redirection.rawValue, String(decoding: encoded, as: UTF8.self),
                program,
            ] + arguments,
            // The environment of the tests may have decided about colours.
            environment: ["TERM": terminal, "NO_COLOR": "", "CLICOLOR_FORCE": ""].merging(environment) { $1 })
    }
}
